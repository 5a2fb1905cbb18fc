"""What proves a wheel and what does not: the whole job, with a stand-in for the installer."""

import base64
import io
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wheelyard_agent import verify
from wheelyard_agent.channel import Channel
from wheelyard_agent.job import JobError
from wheelyard_agent.libraries import Resolution
from wheelyard_agent.network_watch import NetworkWatch
from wheelyard_agent.verify import verify_wheel

WHEEL = "demo-1.0-1-cp313-cp313-manylinux_2_17_x86_64.whl"
INSTALLER = f"""\
#!{sys.executable}
import pathlib, sys, zipfile
assert "--no-index" in sys.argv and ":all:" in sys.argv
environment = pathlib.Path(sys.argv[sys.argv.index("--python") + 1]).parents[1]
(site,) = environment.glob("lib/python*/site-packages")
if sys.argv[-1].endswith(".whl"):
    zipfile.ZipFile(sys.argv[-1]).extractall(site)
else:
    (site / f"{{sys.argv[-1]}}.py").write_text("")
"""


def verified(
    folder: Path,
    modules: dict[str, str],
    installer: str = INSTALLER,
    watch: NetworkWatch | None = None,
    companions: Sequence[str] = (),
    **job: object,
) -> dict[str, Any]:
    """Verify a wheel of these modules; give the report that is sent."""
    inbox = folder / "in"
    inbox.mkdir()
    (inbox / "uv").write_text(installer)
    with zipfile.ZipFile(inbox / WHEEL, "w") as bundle:
        for name, text in modules.items():
            bundle.writestr(name, text)
        bundle.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n")
        bundle.writestr("demo-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in modules))
    nothing: dict[str, object] = {"imports": [], "expect_extensions": [], "lost": [], "commands": [], "requires": []}
    nothing |= {"files": [], "names_packages": False}
    fields = {"wheel": WHEEL, "project": "demo", "installer": "uv", **nothing, **job}
    sink = io.BytesIO()
    answer = {"kind": "supply", "requirements": list(companions)}
    channel = Channel(io.BytesIO(json.dumps(answer).encode() + b"\n"), sink)
    channel.watch = watch
    verify_wheel(channel, fields, inbox, folder)
    report: dict[str, Any] = json.loads(sink.getvalue().splitlines()[-1])
    return report


def refusal(folder: Path, modules: dict[str, str], installer: str = INSTALLER, **job: object) -> JobError:
    with pytest.raises(JobError) as caught:
        verified(folder, modules, installer, None, (), **job)
    return caught.value


def test_every_module_of_the_wheel_is_imported(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo/__init__.py": "", "demo/a.py": "", "demo/tests/test_a.py": "1 / 0"})
    nothing: dict[str, object] = {"skipped": {}, "remarks": [], "missing_libraries": [], "packages": {}, "gil": []}
    assert report == {"kind": "report", "imported": ["demo", "demo.a"], **nothing}


def test_module_below_the_top_may_want_what_is_not_there(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo/__init__.py": "", "demo/gui.py": "import no_such_toolkit"})
    assert report["imported"] == ["demo"]
    assert "no_such_toolkit" in report["skipped"]["demo.gui"]


def test_module_at_the_top_must_be_imported(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"demo.py": "raise RuntimeError('no')"})
    assert (error.code, error.details["problems"]) == ("verify-failed", ["import demo: RuntimeError: no"])


@pytest.mark.parametrize(
    "text", ["import demo.lost", "import os; os.abort()", "raise ImportError('undefined symbol: x')"]
)
def test_broken_module_anywhere_disproves_the_wheel(tmp_path: Path, text: str) -> None:
    error = refusal(tmp_path, {"demo/__init__.py": "", "demo/a.py": text}, lost=["demo.lost"])
    assert error.code == "verify-failed"
    assert error.details["problems"][0].startswith("import demo.a: ")


MACOS = "import ctypes\nctypes.CDLL(None).SecItemAdd"


def test_module_of_another_platform_need_not_work_and_is_told(tmp_path: Path) -> None:
    modules = {"demo/__init__.py": "", "demo/macos/__init__.py": "", "demo/macos/api.py": MACOS}
    report = verified(tmp_path, modules)
    assert report["imported"] == ["demo", "demo.macos"]
    (remark,) = report["remarks"]
    assert remark.startswith("demo.macos.api seems to be for another platform, and cannot be imported here: ")


def test_module_that_asks_for_a_library_of_the_host_is_told(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo/__init__.py": "", "demo/gpu.py": "import ctypes\nctypes.CDLL('libgpu.so.1')"})
    (remark,) = report["remarks"]
    assert remark.startswith(
        "demo.gpu cannot be imported on a host without a library that it asks for: OSError: libgpu"
    )


GUARD = "import sys\nif sys.platform != 'win32':\n    raise RuntimeError('for Windows')"


@pytest.mark.parametrize("text", ["import winreg", "import ctypes\nctypes.windll", GUARD])
def test_module_of_another_platform_at_the_top_need_not_work_beside_one_that_does(tmp_path: Path, text: str) -> None:
    report = verified(tmp_path, {"demo.py": "", "demo_helper.py": text})
    assert report["imported"] == ["demo"]
    assert report["remarks"][0].startswith("demo_helper seems to be for another platform")


@pytest.mark.parametrize("text", ["import winreg", GUARD])
def test_wheel_of_nothing_but_modules_of_another_platform_is_not_proven(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, {"demo.py": text}).code == "verify-failed"


def test_recipe_that_names_a_module_of_another_platform_wants_it_to_work(tmp_path: Path) -> None:
    modules = {"demo/__init__.py": "", "demo/macos.py": MACOS}
    assert refusal(tmp_path, modules, imports=["demo", "demo.macos"]).code == "verify-failed"


def test_module_at_the_top_may_want_a_project_that_it_does_not_require(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo.py": "import parent"}, companions=["parent"])
    assert report["imported"] == ["demo"]
    assert report["remarks"] == ["demo can be imported only beside parent, which it does not require."]


PART = """
import sys
if "whole" not in sys.modules:
    raise ImportError("import whole before whole_part")
"""


def test_part_is_proven_after_the_project_that_its_error_names(tmp_path: Path) -> None:
    report = verified(tmp_path, {"whole_part.py": PART}, companions=["whole"])
    assert report["imported"] == ["whole_part"]
    assert report["remarks"] == ["whole_part can be imported only after whole, which it does not require."]


def test_part_whose_error_names_no_other_project_is_not_proven(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"whole_part.py": "raise ImportError('no')"}).code == "verify-failed"


WANTS_PROGRAM = """
import subprocess
try:
    said = subprocess.run(["no-such-git", "version"], stdout=subprocess.PIPE).stdout.split()[2]
except FileNotFoundError:
    said = b"0"
if int(said.split(b".")[0]) < 2:
    raise ImportError("no git")
"""


def test_module_at_the_top_may_want_a_program_of_the_host(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo.py": WANTS_PROGRAM, "more.py": "import subprocess"})
    assert report["imported"] == ["demo", "more"]
    assert report["remarks"] == ["demo can be imported only on a host that has the program no-such-git."]


def test_module_that_fails_beside_the_program_too_disproves_the_wheel(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"demo.py": f"{WANTS_PROGRAM}\n1 / 0"})
    assert error.details["problems"] == ["import demo: ZeroDivisionError: division by zero"]


def test_named_imports_replace_the_others_and_must_all_work(tmp_path: Path) -> None:
    modules = {"demo/__init__.py": "", "demo/a.py": "", "demo/b.py": "import demo.lost"}
    assert verified(tmp_path, modules, imports=["demo.a"])["imported"] == ["demo.a"]


def test_named_import_that_fails_disproves_the_wheel(tmp_path: Path) -> None:
    modules = {"demo/__init__.py": "", "demo/a.py": "import no_such_toolkit"}
    assert refusal(tmp_path, modules, imports=["demo", "demo.a"]).code == "verify-failed"


def test_extension_module_must_be_imported_though_it_is_below_the_top(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"demo/__init__.py": "", "demo/_c.abi3.so": "\x7fELF PyInit__c"})
    assert (error.code, error.details["problems"][0][:14]) == ("verify-failed", "import demo._c")


# What an extension module for Tk says in a Python without it; the folder is found before the module beside it.
WANTS_TK = {
    "demo/__init__.py": "",
    "demo/_tk.abi3.so": "\x7fELF PyInit__tk",
    "demo/_tk/__init__.py": "raise ModuleNotFoundError(\"No module named 'tkinter'\", name='tkinter')",
}


def test_extension_module_may_want_a_part_of_the_standard_library_that_images_lack(tmp_path: Path) -> None:
    report = verified(tmp_path, WANTS_TK)
    assert report["imported"] == ["demo"]
    assert report["skipped"] == {"demo._tk": "ModuleNotFoundError: No module named 'tkinter'"}


WANTS_TOOLKIT = {name: text.replace("tkinter", "toolkit.core") for name, text in WANTS_TK.items()}


def test_extension_module_that_wants_a_companion_must_be_loadable(tmp_path: Path) -> None:
    assert refusal(tmp_path, WANTS_TOOLKIT).code == "verify-failed"


def test_extension_module_that_can_be_loaded_may_want_a_companion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def load(library: Path, **_: object) -> bool:
        tried.append(library.name)
        return True

    monkeypatch.setattr(verify, "load_library", load)
    report = verified(tmp_path, WANTS_TOOLKIT)
    assert (report["imported"], tried) == (["demo"], ["_tk.abi3.so"])
    assert report["remarks"] == [
        "demo._tk was loaded and not imported: it wants toolkit.core, which the wheel does not require."
    ]


def test_module_of_its_own_that_a_wheel_never_has_is_told(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo/__init__.py": "", "demo/windows.py": "import demo._windows"})
    assert report["imported"] == ["demo"]
    assert report["remarks"] == ["demo.windows cannot be imported: it wants demo._windows, which the wheel lacks."]


def test_extension_module_may_want_what_the_tests_require(tmp_path: Path) -> None:
    wants = {**WANTS_TK, "demo/_tk/__init__.py": "import toolkit"}
    report = verified(tmp_path, wants, requires=["toolkit"])
    assert report["imported"] == ["demo", "demo._tk"]
    assert report["remarks"] == ["demo._tk can be imported only beside toolkit, which it does not require."]


def test_module_that_the_recipe_names_may_want_what_its_tests_require(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo.py": "import toolkit"}, requires=["toolkit"], imports=["demo"])
    assert (report["imported"], len(report["remarks"])) == (["demo"], 1)


def test_module_at_the_top_may_not_want_what_only_the_tests_require(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"demo.py": "import toolkit"}, requires=["toolkit"]).code == "verify-failed"


@pytest.mark.parametrize(
    ("modules", "imports"), [(WANTS_TK, ["demo._tk"]), ({"demo.py": WANTS_TK["demo/_tk/__init__.py"]}, [])]
)
def test_what_is_named_or_at_the_top_must_work_whatever_it_wants(
    tmp_path: Path, modules: dict[str, str], imports: list[str]
) -> None:
    assert refusal(tmp_path, modules, imports=imports).code == "verify-failed"


def test_extension_module_of_the_tests_need_not_be_imported(tmp_path: Path) -> None:
    modules = {"demo/__init__.py": "", "demo/tests/__init__.py": "", "demo/tests/_c.abi3.so": "\x7fELF PyInit__c"}
    assert verified(tmp_path, modules)["imported"] == ["demo"]


def test_expected_extension_that_the_wheel_lacks_is_missing_before_anything_runs(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"demo.py": ""}, installer="", expect_extensions=["demo._c"])
    assert (error.code, error.details["missing"]) == ("extension-missing", ["demo._c"])


def test_wheel_that_cannot_be_installed_is_disproved(tmp_path: Path) -> None:
    assert "could not be installed" in refusal(tmp_path, {}, installer="#!/bin/sh\nexit 1\n").details["problems"][0]


def test_problems_are_told_up_to_a_number(tmp_path: Path) -> None:
    error = refusal(tmp_path, {f"demo{number}.py": "1 / 0" for number in range(30)})
    assert len(error.details["problems"]) == 20


TEST_FILE = {
    "name": "data/smoke.py",
    "base64": base64.b64encode(b"import demo; open('ran', 'w').write('yes')").decode(),
}


def test_commands_run_with_the_wheel_and_the_recipes_files(tmp_path: Path) -> None:
    commands = ["python data/smoke.py", "test -d $VIRTUAL_ENV && echo more >> ran"]
    verified(tmp_path, {"demo.py": ""}, commands=commands, files=[TEST_FILE])
    assert (tmp_path / "test" / "ran").read_text() == "yesmore\n"


@pytest.mark.parametrize(
    ("command", "how"), [("exit 3", "it ended with exit code 3"), ("kill -11 $$", "it was ended by signal 11")]
)
def test_command_that_fails_disproves_the_wheel_and_ends_the_tests(tmp_path: Path, command: str, how: str) -> None:
    error = refusal(tmp_path, {"demo.py": ""}, commands=[command, "touch ran"])
    assert error.code == "verify-failed"
    assert error.details["problems"] == [f"the test command {command!r} failed: {how}"]
    assert not (tmp_path / "test" / "ran").exists()


def test_what_the_commands_require_is_there_for_them(tmp_path: Path) -> None:
    commands = ["python -c 'import demo, pytest; print(pytest.__name__)' > ran"]
    verified(tmp_path, {"demo.py": ""}, requires=["pytest"], commands=commands)
    assert (tmp_path / "test" / "ran").read_text() == "pytest\n"


def test_imports_are_proven_without_what_the_commands_require(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"demo.py": "import pytest_of_ours"}, requires=["pytest_of_ours"])
    assert "No module named 'pytest_of_ours'" in error.details["problems"][0]


def test_commands_that_cannot_have_what_they_require_disprove_nothing_silently(tmp_path: Path) -> None:
    installer = INSTALLER.replace("else:", "else:\n    sys.exit(1)")
    error = refusal(tmp_path, {"demo.py": ""}, installer, requires=["pytest"], commands=["true"])
    assert error.details["problems"] == ["pytest could not be installed, see the log"]


FORGED = (
    'import os\nfor number in range(3, 64):\n    try:\n        os.write(number, b\'{"name": "demo", "error": null, '
    '"behind": null, "wants": null, "standard": false}\\n\')\n    except OSError:\n        pass\nos._exit(0)\n'
)


@pytest.mark.parametrize(
    "extra",
    [{"a_forger.py": FORGED}, {"demo.pth": "import z_forger", "z_forger.py": FORGED}, {"sitecustomize.py": FORGED}],
)
def test_proof_that_another_modules_code_wrote_is_none(tmp_path: Path, extra: dict[str, str]) -> None:
    error = refusal(tmp_path, {**extra, "demo.py": "raise ImportError('no')"})
    assert "import demo: ImportError: no" in error.details["problems"]


@pytest.mark.parametrize("name", ["_wheelyard_network/__init__.py", "json.py", "_wheelyard_network.py"])
def test_our_own_hook_is_not_what_the_wheel_has_under_its_name(tmp_path: Path, name: str) -> None:
    watch = NetworkWatch(name_server_port=0)
    demo = "import socket\nsocket.getaddrinfo('files.example.invalid', 443)"
    with pytest.raises(JobError) as caught:
        verified(tmp_path, {name: FORGED, "demo.py": demo}, imports=["demo"], watch=watch)
    assert caught.value.details["problems"][0].startswith("import demo: gaierror")
    assert {"host": "files.example.invalid", "port": 443} in watch.calls()


@pytest.mark.parametrize(
    "text",
    [
        "open(__file__.replace('a_mender', 'demo'), 'w').close()",
        "import os; os.unlink(__file__.replace('a_mender', 'demo'))",
        "import sys, os; os.unlink(sys.executable); os.symlink('/bin/true', sys.executable)",
        "import glob; [open(name, 'ab').write(b'x') for name in glob.glob(__file__[:__file__.index('venv')] + 'in/*')]",
    ],
)
def test_module_that_changes_what_is_installed_disproves_the_wheel(tmp_path: Path, text: str) -> None:
    error = refusal(tmp_path, {"a_mender.py": text, "demo.py": "raise ImportError('no')"})
    assert error.code == "verify-failed"
    assert error.details["problems"][0].startswith("importing a_mender changed ")


def test_what_a_module_adds_is_gone_before_the_next_is_imported(tmp_path: Path) -> None:
    text = """
import os
site = os.path.dirname(__file__)
os.makedirs(f"{site}/demo")
for name in ("demo/__init__.py", "companion.py", "sitecustomize.py"):
    open(f"{site}/{name}", "w").close()
open(f"{site}/x.pth", "w").write("import companion\\n")
open(os.path.expanduser("~/left"), "w").close()
"""
    modules = {
        "a_helper.py": text,
        "demo.py": "import companion",
        "z_last.py": "import os; assert not os.listdir(os.environ['HOME'])",
    }
    assert refusal(tmp_path, modules).details["problems"] == [
        "import demo: ModuleNotFoundError: No module named 'companion'"
    ]


def test_tests_run_beside_what_is_installed_anew(tmp_path: Path) -> None:
    broken_by_tests = {"demo.py": "import os\nos.environ['HOME']"}
    commands = ["python -c 'import demo, toolkit, os; assert os.listdir(os.environ[\"HOME\"]) == []'"]
    assert verified(tmp_path, broken_by_tests, requires=["toolkit"], commands=commands)["imported"] == ["demo"]


OTHERS = """
if sys.argv[-1].endswith(".whl"):
    info = site / "tools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\\nName: tools\\nVersion: 1.0\\n")
    (info / "RECORD").write_text("tools.pth,,\\n_tools_hook.py,,\\n")
    (site / "tools.pth").write_text("import _tools_hook\\n")
    if not (site / "_tools_hook.py").exists():
        (site / "_tools_hook.py").write_text("import sys; sys.modules['old'] = sys")
"""
"""What another project's start-up code looks like: it makes a module of another name."""


def test_module_may_want_start_up_code_of_what_the_wheel_requires_and_that_is_told(tmp_path: Path) -> None:
    report = verified(tmp_path, {"demo.py": "import old", "more.py": ""}, INSTALLER + OTHERS)
    assert report["imported"] == ["demo", "more"]
    assert report["remarks"] == [
        "demo can be imported only after tools.pth of what it requires has run at Python's start."
    ]


@pytest.mark.parametrize("name", ["_tools_hook.py", "_tools_hook/__init__.py", "_tools_hook.abi3.so"])
def test_start_up_code_of_what_the_wheel_requires_is_not_run_if_the_wheel_may_have_replaced_it(
    tmp_path: Path, name: str
) -> None:
    modules = {"demo.py": "import old", name: "import sys; sys.modules['old'] = sys"}
    error = refusal(tmp_path, modules, INSTALLER + OTHERS)
    assert error.details["problems"] == ["import demo: ModuleNotFoundError: No module named 'old'"]


def test_wheel_with_too_many_modules_at_the_top_is_told_what_to_do(tmp_path: Path) -> None:
    error = refusal(tmp_path, {f"m{number}.py": "" for number in range(501)})
    assert "it has 501 top-level modules" in error.details["problems"][0]
    assert "test.imports" in error.details["problems"][0]


def test_failure_names_all_missing_libraries_and_the_missing_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "resolve_libraries", lambda *_, **__: Resolution({}, ["liba.so.1", "libb.so.2"]))
    error = refusal(tmp_path, {"demo.py": "import demo_parent.core"})
    assert error.details["missing_libraries"] == ["liba.so.1", "libb.so.2"]
    assert error.details["missing_modules"] == ["demo_parent"]


def test_failed_command_names_the_missing_libraries_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "resolve_libraries", lambda *_, **__: Resolution({}, ["liba.so.1"]))
    error = refusal(tmp_path, {"demo.py": ""}, commands=["exit 3"])
    assert error.details["missing_libraries"] == ["liba.so.1"]


def test_proven_wheel_is_reported_with_what_it_did_not_find_and_the_packages_of_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"libc.so.6": Path("/lib/libc.so.6")}
    monkeypatch.setattr(verify, "resolve_libraries", lambda *_, **__: Resolution(found, ["liba.so.1"]))
    monkeypatch.setattr(verify, "find_packages", lambda libraries, **_: dict.fromkeys(libraries, "libc6"))
    report = verified(tmp_path, {"demo.py": ""}, names_packages=True)
    assert (report["missing_libraries"], report["packages"]) == (["liba.so.1"], {"libc.so.6": "libc6"})
