"""The program as its users have it: built into an sdist and a wheel, and installed from the wheel outside of the clone.

A path made from ``__file__`` that only holds in a clone breaks here. Wheel and environment are made when a test first
needs them, and removed at the end.
"""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from uv import find_uv_bin

ROOT: Final = Path(__file__).parents[2]
_PYTHON: Final = "/usr/bin/python3"
"""One that every user may run, which a Python of root's own need not be."""


@cache
def installed_program() -> Path:
    """Install the wheel with what runs on servers, and return the command ``wheelyard``."""
    return install("service", extra="[service]")


def install(name: str, *, extra: str = "") -> Path:
    """Install the wheel into a new environment with the versions of the lock file; return the command ``wheelyard``."""
    venv = _folder() / name
    _run(find_uv_bin(), "venv", "--quiet", "--python", _PYTHON, str(venv))
    # Compiled beforehand: those who may not write there would compile it at each start.
    options = ("--quiet", "--compile-bytecode", "--constraint", str(ROOT / "requirements.lock"))
    _run(find_uv_bin(), "pip", "install", "--python", f"{venv}/bin/python", *options, f"{built_wheel()}{extra}")
    return venv / "bin" / "wheelyard"


@cache
def built_wheel() -> Path:
    """Return the wheel that ``python -m build`` makes: from the sdist, which is made from the clone."""
    return build(_folder() / "dist")


def build(folder: Path, *options: str) -> Path:
    """Run ``python -m build`` with the build tools of the lock file, and return the wheel."""
    _run(sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


@cache
def _folder() -> Path:
    """Make a folder that every user may read, as the tests run the program as another user, too."""
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-installed-", dir="/tmp"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder)
    return folder


def _run(*command: str) -> None:
    completed = subprocess.run(command, capture_output=True, check=False, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr
