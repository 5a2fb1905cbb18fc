"""Whatever of a wheel runs at Python's start is found, in each form and place, and what it does is said."""

import io
import os
import py_compile
import subprocess
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard.wheel_files.startup import StartupFile, find_startup

MARK = "open(__import__('os').environ['MARK'], 'w').close()\n"
CODE = f"import os; {MARK}"


def found(members: Mapping[str, str | bytes]) -> dict[str, str]:
    """Give what is found in a wheel of these members, with what it does."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
        return {file.name: file.does for file in find_startup(bundle).files}


class Environment:
    """A virtual environment whose Python is started for real."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self._python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python*/site-packages")
        self._mark = folder / "mark"

    def runs(self, members: Mapping[str, str | bytes]) -> bool:
        """Lay files into site-packages, and tell whether Python runs any code of them at its start."""
        self._mark.unlink(missing_ok=True)
        for name, content in members.items():
            path = self.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        env = {"PATH": os.defpath, "MARK": str(self._mark), "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([self._python, "-c", ""], env=env, check=True, capture_output=True)
        for name in members:
            (self.site / name).unlink()
        return self._mark.exists()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = tmp_path_factory.mktemp("bytecode") / "module.py"
    source.write_text(MARK)
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")), doraise=True)
    return source.with_suffix(".pyc").read_bytes()


FORMS: dict[str, dict[str, str]] = {
    "pth": {"x.pth": CODE},
    "pth with a tab": {"x.pth": CODE.replace("import os", "import\tos")},
    "pth with folders before": {"x.pth": f"\n# no\nfolder\n{CODE}"},
    "pth with a carriage return": {"x.pth": f"# no\r{CODE}"},
    "site": {"sitecustomize.py": MARK},
    "site as a package": {"sitecustomize/__init__.py": MARK},
    "site as bytecode": {"sitecustomize.pyc": ""},
    "site as a package of bytecode": {"sitecustomize/__init__.pyc": ""},
    "site in a folder that is added": {"x.pth": "demo/more\n", "demo/more/sitecustomize.py": MARK},
    "site in a folder that is added by a detour": {
        "x.pth": "./demo/../demo/more/\n",
        "demo/more/sitecustomize.py": MARK,
    },
}


@pytest.mark.parametrize("members", FORMS.values(), ids=FORMS)
def test_what_python_runs_is_found(environment: Environment, bytecode: bytes, members: dict[str, str]) -> None:
    made = {name: bytecode if name.endswith(".pyc") else text for name, text in members.items()}
    assert environment.runs(made)
    assert found(made).keys() == made.keys()


QUIET: dict[str, dict[str, str]] = {
    "pth below": {"demo/x.pth": CODE},
    "site below": {"demo/sitecustomize.py": MARK},
    "site of another kind": {"sitecustomize.txt": MARK, "sitecustomize.pyi": MARK, "sitecustomize/other.py": MARK},
    "site that is longer": {"sitecustomizer.py": MARK, "my_sitecustomize.py": MARK},
    "something else": {"demo.py": MARK, "x.pth.txt": CODE, "pth": CODE, "x.start.py": MARK},
}


@pytest.mark.parametrize("members", QUIET.values(), ids=QUIET)
def test_what_python_does_not_run_is_not_told(environment: Environment, members: dict[str, str]) -> None:
    assert not environment.runs(members)
    assert found(members) == {}


modules = st.sampled_from(["sitecustomize", "usercustomize", "SiteCustomize", "_virtualenv", "_distutils_hack"])
endings = st.sampled_from(
    [".py", ".pyc", ".pyo", ".so", ".abi3.so", ".cpython-313-x86_64-linux-gnu.so", ".pyd", ".cp313-win_amd64.pyd"]
)
holders = st.sampled_from(
    ["", "demo-1.0.data/purelib/", "demo-1.0.data/platlib/", "demo-1.0.data/data/", "demo-1.0.data/data/lib/"]
    + [f"demo-1.0.data/data/{lib}/python3.13/site-packages/" for lib in ("lib", "lib64", "local/lib")]
)


@given(holder=holders, module=modules, ending=endings, is_package=st.booleans())
def test_module_that_python_imports_by_itself_is_found_in_any_form(
    holder: str,
    module: str,
    ending: str,
    is_package: bool,  # noqa: FBT001
) -> None:
    name = f"{holder}{module}/__init__{ending}" if is_package else f"{holder}{module}{ending}"
    cached = f"{holder}__pycache__/{module}.cpython-313.pyc"
    assert found({name: b"", cached: b"", f"{holder}demo/{module}{ending}": b""}).keys() == {name, cached}


@given(
    holder=holders,
    stem=st.sampled_from(["demo", ".hidden", "a.b", ""]),
    suffix=st.sampled_from([".pth", ".PTH", ".start"]),
)
def test_file_that_python_reads_at_its_start_is_found_by_any_name(holder: str, stem: str, suffix: str) -> None:
    assert found({f"{holder}{stem}{suffix}": b""}).keys() == {f"{holder}{stem}{suffix}"}


@given(content=st.binary(max_size=300))
def test_whatever_is_in_a_file_it_is_described_in_a_line(content: bytes) -> None:
    for name in ("x.pth", "x.start"):
        (does,) = found({name: content}).values()
        assert does.isprintable()
        assert len(does) < 500


@pytest.mark.parametrize(
    ("name", "content", "does"),
    [
        ("x.pth", "import demo\n", "It runs 'import demo'."),
        ("x.pth", "\ufeffimport demo\n", "It runs 'import demo'."),  # Python 3.13 reads it so
        ("x.pth", "vendor\n../more\n", "It has Python look for modules in 'vendor', '../more', too."),
        ("x.pth", "import a\nimport b\nimport c\nimport d\n", "It runs 'import a', 'import b', 'import c' and 1 more."),
        ("x.pth", "# nothing\n", "There is nothing in it yet."),
        ("x.start", "# of demo\ndemo:main\n", "From Python 3.15 on it calls 'demo:main'."),
        ("x.start", "", "There is nothing in it that can be read."),
        ("usercustomize.py", "", "Python imports a module of this name by itself."),
    ],
)
def test_what_a_file_does_is_said(name: str, content: str, does: str) -> None:
    assert found({name: content}) == {name: does}


def added(line: str) -> set[str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("x.pth", line)
        return set(find_startup(bundle).folders)


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("demo/more", "lib/python3/site-packages/demo/more"),
        ("../../python3.13/site-packages/demo", "lib/python3/site-packages/demo"),
        ("../../../lib64/python3.13/site-packages/demo", "lib/python3/site-packages/demo"),
        ("../../../share/demo", "share/demo"),
        ("../../../../.venv/share/demo", "share/demo"),
        ("../../../../../app/venv/lib/python3.12/site-packages/demo", "lib/python3/site-packages/demo"),
        ("/usr/lib/python3.13/site-packages/demo", "lib/python3/site-packages/demo"),
    ],
)
def test_folder_is_known_by_whatever_path_it_is_added(line: str, folder: str) -> None:
    assert folder in added(line)


@pytest.mark.parametrize("line", ["#" * (64 << 10) + "\nvendor", "\n".join(map(str, range(51)))])
def test_path_file_beyond_any_that_a_project_has_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"its '?x?\.pth'? "):
        added(line)


def test_warning_names_the_file_and_what_it_does() -> None:
    file = StartupFile(name="a\x1b.pth", does="It runs 'import demo'.")
    said = r"Python runs 'a\x1b.pth' of it at each of its starts, imported or not. It runs 'import demo'."
    assert file.warning == said
