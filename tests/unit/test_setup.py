"""What ``make`` does first: a new environment never costs the old one, and nothing ends in a traceback."""

import errno
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]
BASE_PYTHON = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
# Builds an editable wheel of nothing, so that no index is needed.
BACKEND = """
import zipfile
def get_requires_for_build_editable(config_settings=None): return []
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "clone-1.0-py3-none-any.whl"
    info = "clone-1.0.dist-info/"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.writestr("clone.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: clone\\nVersion: 1.0\\n")
        facts = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(info + "WHEEL", facts)
        wheel.writestr(info + "RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "clone"
version = "1.0"
"""


class Clone:
    """A clone in which the slow steps are played, in this process."""

    def __init__(self, root: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.module = module
        self.labels: list[str] = []
        self.failure: BaseException | None = None
        self.lock = root / "requirements.lock"
        self.lock.write_text("# nothing\n")
        (root / "pyproject.toml").write_text(PYPROJECT)
        paths = {"ROOT": root, "VENV": root / ".venv", "ENVIRONMENTS": root / ".venvs"}
        for name, path in paths.items():
            monkeypatch.setattr(module, name, path)
        monkeypatch.setattr(module, "INPUTS", (self.lock, root / "pyproject.toml"))
        monkeypatch.setattr(module, "run", self._run)
        monkeypatch.setattr(module, "leave_environment", lambda: None)
        monkeypatch.setattr(sys, "argv", ["setup.py", "--python-only"])

    def _run(self, label: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        assert env is None
        self.labels.append(label)
        if command[1:3] == ["-m", "venv"]:
            Path(command[3], "bin").mkdir(parents=True)
        if self.failure is not None and len(self.labels) % 3 == 2:
            raise self.failure

    def set_up(self) -> int:
        return int(self.module.main())

    @property
    def current(self) -> Path:
        return (self.root / ".venv").resolve()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    spec = importlib.util.spec_from_file_location("clone_setup", REPOSITORY / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Clone(tmp_path, module, monkeypatch)


def test_equal_lock_does_nothing_and_a_changed_one_makes_a_new_environment_beside_the_old(clone: Clone) -> None:
    assert clone.set_up() == 0
    first = clone.current
    assert (clone.root / ".venv").is_symlink()
    assert (clone.set_up(), len(clone.labels), clone.current) == (0, 3, first)
    clone.lock.write_text("# other\n")
    assert clone.set_up() == 0
    assert clone.current != first
    assert (first / "bin").is_dir(), "shells that have activated it find their programs there"
    clone.lock.write_text("# nothing\n")
    assert (clone.set_up(), clone.current, len(clone.labels)) == (0, first, 6), "it is there: nothing is made"


def test_environment_that_nobody_uses_any_more_goes_and_one_in_use_stays(clone: Clone) -> None:
    made = []
    assert clone.set_up() == 0
    made.append(clone.current)
    # It has its place on its command line, as what runs from a script in there has.
    user = subprocess.Popen([BASE_PYTHON, "-c", "import time; time.sleep(60)", f"{clone.current}/bin/wheelyard"])
    try:
        for number in range(3):
            clone.lock.write_text(f"# {number}\n")
            assert clone.set_up() == 0
            made.append(clone.current)
        assert [place.exists() for place in made] == [True, False, True, True]
    finally:
        user.kill()
        user.wait()
    clone.lock.write_text("# last\n")
    assert clone.set_up() == 0
    assert [place.exists() for place in made] == [False, False, False, True]


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 1, "No space left on device: /x. "),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/x"), 1, "MiB are free"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "only that user can renew"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("nobody expected this"), 1, "nobody expected this"),
    ],
)
def test_failure_is_one_line_and_leaves_the_old_environment_in_use(
    clone: Clone, capsys: pytest.CaptureFixture[str], failure: BaseException, code: int, said: str
) -> None:
    assert clone.set_up() == 0
    first = clone.current
    clone.lock.write_text("# other\n")
    clone.failure = failure
    capsys.readouterr()
    assert clone.set_up() == code
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert clone.current == first
    assert [place.name for place in (clone.root / ".venvs").iterdir() if place.is_dir()] == [first.name]
    clone.failure = None
    assert clone.set_up() == 0
    assert clone.current != first


def test_directory_that_an_earlier_version_made_is_put_away_once_nothing_runs_from_it(
    clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = clone.root / ".venv"
    (plain / "bin").mkdir(parents=True)
    (plain / "set-up").write_text("of another lock")
    user = subprocess.Popen([BASE_PYTHON, "-c", "import time; time.sleep(60)", f"{plain}/bin/wheelyard"])
    try:
        assert clone.set_up() == 1
        assert f"these processes run from it: {user.pid}" in capsys.readouterr().err
        assert (plain / "set-up").read_text() == "of another lock"
    finally:
        user.kill()
        user.wait()
    assert clone.set_up() == 0
    assert plain.is_symlink()
    assert [place.name.partition("-")[0] for place in (clone.root / ".venvs").glob("former-*")] == ["former"]


def test_directory_of_the_same_lock_is_kept(clone: Clone) -> None:
    plain = clone.root / ".venv"
    plain.mkdir()
    (plain / "pyvenv.cfg").write_text(f"command = /usr/bin/python3 -m venv {plain}\n")
    (plain / "set-up").write_text(clone.module._fingerprint("/usr/bin/python3", place=plain))
    assert (clone.set_up(), clone.labels, plain.is_symlink()) == (0, [], False)


def test_second_make_waits_for_the_first(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    (clone.root / ".venvs").mkdir()
    script = (
        f"import fcntl,sys,time; f=open({str(clone.root / '.venvs' / '.lock')!r},'a'); fcntl.flock(f,fcntl.LOCK_EX)"
    )
    script += "; print('held', flush=True); time.sleep(0.5)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        begun = time.monotonic()
        assert clone.set_up() == 0
        assert time.monotonic() - begun > 0.2
    assert "waiting" in capsys.readouterr().out
    with (clone.root / ".venvs" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "Making it failed: No space left on device. "),
        ("Traceback (most recent call last):\n  File 1\n    x()\nValueError: odd", "ValueError: odd"),
    ],
)
def test_what_a_program_printed_is_told_without_its_traceback(clone: Clone, printed: str, said: str) -> None:
    spec = importlib.util.spec_from_file_location("fresh_setup", REPOSITORY / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    program = clone.root / "program.py"
    program.write_text(f"print({printed!r}); raise SystemExit(1)")
    with pytest.raises(fresh.SetupError) as caught:
        fresh.run("Making it", [sys.executable, str(program)], directory=clone.root)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.fixture
def real_clone(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(REPOSITORY / "tools" / "setup.py", tmp_path / "tools" / "setup.py")
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    return tmp_path


def test_set_up_from_its_own_activated_environment_makes_another_and_what_runs_goes_on(real_clone: Path) -> None:
    """Two real environments, made without an index."""

    def set_up(python: str) -> str:
        command = [python, "tools/setup.py", "--python-only"]
        done = subprocess.run(command, cwd=real_clone, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    set_up(BASE_PYTHON)
    first = (real_clone / ".venv").resolve()
    assert set_up(str(real_clone / ".venv" / "bin" / "python3")) == "", "the same environment is wanted from inside"
    program = "import sys; print(sys.prefix, flush=True); sys.stdin.read(); import wave, clone; print(clone.__file__)"
    with subprocess.Popen(
        [first / "bin" / "python", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().strip() == str(first)
        (real_clone / "requirements.lock").write_text("# other\n")
        set_up(str(real_clone / ".venv" / "bin" / "python3"))
        printed, _ = running.communicate("")
    assert Path(printed.strip()).is_relative_to(first)
    second = (real_clone / ".venv").resolve()
    assert second != first
    script = (second / "bin" / "pip").read_text()
    assert script.startswith(f"#!{second}/bin/python"), "programs name the place where it stays"
