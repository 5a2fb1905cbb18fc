"""The snippets that people copy, on a CI machine: a container of another address, whose pip knows our index alone.

Our bare runtime image stands for the machine, with what it leaves out and every CI machine has: pip, and ensurepip. The
action's steps run every time; the others, which do much the same by hand, with 'make test-prebuild'.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.acceptance.bare_runtime import FOLDER, run_in_runtime, runtime_image
from tests.acceptance.running_service import Completed
from tests.acceptance.snippets import action_steps, gitlab_script, repository, shell_snippet, workflow_step
from tests.acceptance.walled_service import WalledService, open_walled
from uv import find_uv_bin

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

ROOT = Path(__file__).parents[2]
PLATFORM = "manylinux_2_36_x86_64"
LIBRARY = "/opt/python/3.13/lib/python3.13"
ENSUREPIP = b"""
import pathlib, runpy, sys
(wheel,) = map(str, pathlib.Path(__file__).parent.glob("pip-*.whl"))
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
APPLICATION = """
[project]
name = "application"
version = "1"
requires-python = ">=3.11"
dependencies = ["idna==3.20"]
"""
LOCK = ("lock", "--no-config", "--quiet", "--python", sys.executable, "--no-python-downloads")
EXPORT = ("export", "--no-config", "--quiet", "--frozen", "--no-emit-project", "-o", "pylock.toml")
NEXT_STEP = """
while IFS= read -r line; do export "$line"; done <"$GITHUB_ENV"
while IFS= read -r folder; do PATH="$folder:$PATH"; done <"$GITHUB_PATH"
"""


@pytest.fixture(scope="module")
def walled(make_state_dir: Callable[[], Path]) -> Iterator[WalledService]:
    """Give a service whose index has what the command line needs, so that it can be installed from there."""
    with open_walled(make_state_dir()) as walled:
        target = ("--python", "3.13", "--platform", PLATFORM)
        done = walled.service.cli("prebuild", "-r", str(ROOT / "pyproject.toml"), "hatchling>=1.27", *target)
        assert done.returncode == 0, done.stdout + done.stderr
        yield walled


def run_on_machine(walled: WalledService, script: str, environment: Mapping[str, str]) -> Completed:
    """Run a script in a folder with requirements, as a CI job does."""
    pip = pip_wheel(Settings(state_dir=walled.service.state_dir))
    files: dict[str, bytes | Path] = {f"repository/{name}": content for name, content in repository().items()}
    files |= {
        "ensurepip/__init__.py": b"",
        "ensurepip/__main__.py": ENSUREPIP,
        f"ensurepip/{pip.name}": pip,
        "requirements.txt": b"idna==3.20\n",
    }
    known = {
        "PIP_INDEX_URL": f"{walled.service.url}/simple/",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "WHEELYARD_URL": walled.service.url,
        "WHEELYARD_TOKEN": walled.service.token,
        "WHEELYARD_SOURCE": f"{FOLDER}/repository",
        **environment,
    }
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in known.items())
    prologue = f"mv ensurepip {LIBRARY}/\n{exports}python -m ensurepip\n"
    return run_in_runtime(
        walled.service,
        runtime_image(walled.service, "bookworm"),
        prologue + script,
        files,
        network=walled.network,
        user="0",
    )


@pytest.mark.slow_prebuild
def test_shell_snippet_of_the_documentation_runs_on_another_host(walled: WalledService) -> None:
    check = ".venv/bin/python -c 'import idna; print(\"imported\")'"
    done = run_on_machine(walled, f"{shell_snippet()}\n{check}", {})
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["imported"]), done.stdout + done.stderr
    assert "install with: pip install --only-binary :all: --trusted-host" in done.stderr
    assert walled.service.token not in done.stdout + done.stderr


@pytest.mark.slow_prebuild
def test_script_for_gitlab_runs_on_another_host(walled: WalledService) -> None:
    check = "test -s prebuild.xml && python -c 'import idna; print(\"imported\")'"
    done = run_on_machine(walled, f"{gitlab_script()}\n{check}", {})
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["imported"]), done.stdout + done.stderr


def test_github_action_installs_the_command_line_and_lets_the_next_step_install(walled: WalledService) -> None:
    given = {"url": walled.service.url, "token": walled.service.token}
    wanted = {"platforms": PLATFORM, "pythons": "3.13", "junit": "junit.xml"}
    names = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    runner = {name: f"{FOLDER}/{name}" for name in names} | {
        "RUNNER_TEMP": f"{FOLDER}/temp",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": f"{FOLDER}/repository/.github/actions/prebuild",
    }
    script = f"mkdir temp\ntouch {' '.join(names)}\n"
    for step in action_steps({**given, **wanted}):
        environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in step.environment.items())
        script += f"{NEXT_STEP}env {environment} bash --noprofile --norc -eo pipefail -c {shlex.quote(step.script)}\n"
    script += f"{NEXT_STEP}{workflow_step()}\npython -c 'import idna; print(\"imported\")'\n"
    script += "cat GITHUB_STEP_SUMMARY GITHUB_OUTPUT; test -s junit.xml"
    done = run_on_machine(walled, script, runner)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.partition("imported\n")[2]
    assert "### Wheelyard: installable" in said
    assert "\nrequest-id=" in said
    assert "\ninstallable=true\ninstall=pip install --only-binary :all:" in said


@pytest.mark.slow_prebuild
def test_uv_installs_our_wheel_from_each_kind_of_lock_with_a_token(walled: WalledService, tmp_path: Path) -> None:
    """A project that was built here, on a host where nothing but our index can be reached."""
    (tmp_path / "pyproject.toml").write_text(APPLICATION)
    for command in (LOCK, EXPORT):
        subprocess.run([find_uv_bin(), *command], cwd=tmp_path, check=True)
    target = ("--python", "3.13", "--platform", PLATFORM, "--prefer", "own")
    files: dict[str, bytes | Path] = {"uv": Path(find_uv_bin()), "pyproject.toml": tmp_path / "pyproject.toml"}
    for name in ("uv.lock", "pylock.toml"):
        lock = tmp_path / name
        done = walled.service.cli("prebuild", "-r", str(lock), *target, "--lock-out", str(lock))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{walled.service.url}/files/idna-3.20-1.bookworm-" in lock.read_text()
        files[name] = lock
    python, check = "--no-python-downloads", "python -c 'import idna; print(\"imported\")'"
    netrc = f"(umask 077 && echo 'machine {walled.host} login __token__ password {walled.service.token}' >~/.netrc)"
    script = "\n".join(
        [
            netrc,
            f"./uv sync --quiet --no-build --no-install-project {python} && .venv/bin/{check}",
            f"./uv venv --quiet other {python} && ./uv pip sync --quiet --no-build --python other pylock.toml",
            f"other/bin/{check}",
        ]
    )
    image = runtime_image(walled.service, "bookworm")
    synced = run_in_runtime(walled.service, image, script, files, network=walled.network)
    assert (synced.returncode, synced.stdout) == (0, "imported\nimported\n"), synced.stdout + synced.stderr
