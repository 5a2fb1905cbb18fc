"""What a brought wheel puts where others have their files: start-up code that can do anything, others' folders."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.pipeline_harness import pack_wheel

from wheelyard_agent.placement import placement_lies

# As setuptools, coverage and setuptools' namespace packages have them in wheels of today.
DISTUTILS = (
    b"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
    b"enabled and __import__('demo').add_shim();\n"
)
COVERAGE = (
    b'import sys; exec(\'import os\\n\\nif os.getenv("X") or os.getenv("Y"):\\n try:\\n  import demo\\n except:\\n'
    b'  pass\\n else:\\n  demo.process_startup(slug="pth")\')\n'
)
NAMESPACE = (
    b"import sys, types, os;has_mfs = sys.version_info > (3, 5);p = os.path.join(sys._getframe(1).f_locals['sitedir'], "
    b"*('acme',));importlib = has_mfs and __import__('importlib.util');has_mfs and __import__('importlib.machinery');"
    b"m = has_mfs and sys.modules.setdefault('acme', importlib.util.module_from_spec(importlib.machinery.PathFinder."
    b"find_spec('acme', [os.path.dirname(p)])));m = m or sys.modules.setdefault('acme', types.ModuleType('acme'));"
    b"mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
)


def told(folder: Path, members: Mapping[str, bytes], name: str = "demo-1.0-py3-none-any.whl") -> list[tuple[str, str]]:
    path = folder / name
    path.write_bytes(pack_wheel(name, {"demo/__init__.py": b"", **members}))
    lies = placement_lies(path)
    assert all(one["fatal"] and one["detail"] for one in lies)
    return [(one["kind"], one["subject"]) for one in lies]


@pytest.mark.parametrize(
    "line",
    [
        b"import os; os.system('id')",
        b"import sys; sys.stdout.write('hello')",
        b"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', 'print(1)'])",
        b"import base64; exec(base64.b64decode('cHJpbnQoMSk='))",
        b"import sys; exec('import os; os.system(\"id\")')",
        b"import demo; exec(demo.code)",
        b"import urllib.request",
        b"import other_project",
        b"import os; __import__('socket')",
        b"import\tos; os.remove('/etc/passwd')",
        b"import os; this cannot be parsed",
        b"import demo\nimport os; os.fork()",
        b"/home/ci/src/demo",
    ],
)
@pytest.mark.parametrize("place", ["demo.pth", "demo-1.0.data/purelib/demo.pth"])
def test_startup_code_that_may_do_anything_is_a_lie(tmp_path: Path, place: str, line: bytes) -> None:
    assert told(tmp_path, {place: b"# of demo\n" + line + b"\n"}) == [("startup-code", "demo.pth")]


@pytest.mark.parametrize(
    "text",
    [DISTUTILS, COVERAGE, NAMESPACE, b"import demo", b"import demo; demo.install()", b"vendored\n", b"", b"# nothing"],
)
def test_startup_code_that_many_projects_have_is_none(tmp_path: Path, text: bytes) -> None:
    assert told(tmp_path, {"demo.pth": text}) == []


def test_text_below_a_package_is_no_startup_code(tmp_path: Path) -> None:
    assert told(tmp_path, {"demo/data/x.pth": b"import os; os.system('id')"}) == []


@pytest.mark.parametrize(
    "member", ["sitecustomize.py", "usercustomize/__init__.py", "demo-1.0.data/platlib/sitecustomize.py"]
)
def test_module_that_each_environment_has_one_of_is_a_lie(tmp_path: Path, member: str) -> None:
    assert [kind for kind, _ in told(tmp_path, {member: b""})] == ["startup-code"]


@pytest.mark.parametrize(
    "member",
    ["pip/_internal/x.py", "numpy/core/_x.py", "six.py", "demo-1.0.data/purelib/requests/api.py", "PIL/Image.py"],
)
def test_member_in_the_folder_of_a_well_known_project_is_a_lie(tmp_path: Path, member: str) -> None:
    assert [kind for kind, _ in told(tmp_path, {member: b""})] == ["foreign-folder"]


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("pillow_simd-1.0-py3-none-any.whl", "PIL/Image.py"),
        ("numpy-1.0-py3-none-any.whl", "numpy/core/x.py"),
        ("intel_numpy-1.0-py3-none-any.whl", "numpy/core/x.py"),
        ("setuptools-1.0-py3-none-any.whl", "_distutils_hack/__init__.py"),
        ("PyYAML-1.0-py3-none-any.whl", "yaml/__init__.py"),
        ("demo-1.0-py3-none-any.whl", "demo/pip/x.py"),
        ("demo-1.0-py3-none-any.whl", "google/cloud/demo.py"),
    ],
)
def test_folder_of_a_projects_own_or_of_what_it_is_a_fork_of_is_right(tmp_path: Path, name: str, member: str) -> None:
    assert told(tmp_path, {member: b""}, name) == []
