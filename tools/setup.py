"""Set up a clone so that everything else works: virtual environment, container engine, mmdebstrap.

Standard library only. It repeats nothing that is done already. It installs system packages only as root and on an apt
system, and reports them; otherwise it stops and names what to install.

``.venv`` is a link to an environment in ``.venvs``, named by what it was made from. A new one is made beside the old
one at its final path, because its scripts contain that path (https://github.com/python/cpython/issues/97647). Then the
link is replaced, in one step. So programs from the old environment continue to run, and a failure changes nothing.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parent.parent
VENV: Final = ROOT / ".venv"
ENVIRONMENTS: Final = ROOT / ".venvs"
STAMP: Final = "set-up"
"""The file in a complete environment that names what it was made from."""
INPUTS: Final = (ROOT / "requirements.lock", ROOT / "pyproject.toml")
ENGINES: Final = ("docker", "podman")
ENGINE_START_SECONDS: Final = 45
STILL_SECONDS: Final = 15
TAIL_LINES: Final = 25
FULL: Final = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
SPINNER: Final = "|/-\\"


class SetupError(Exception):
    """Set-up cannot continue; the message names what to do."""


def run(label: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, directory: Path = ROOT) -> None:
    """Run a command under a label, and show its output only if it fails; raise SetupError."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
        ) as process:
            _show_progress(label, process, started)
        if process.returncode != 0:
            raise SetupError(_explain(label, command, output))
    _say(f"{label}: {time.monotonic() - started:.0f} s")


def _show_progress(label: str, process: subprocess.Popen[bytes], started: float) -> None:
    """Turn a spinner on a terminal; elsewhere report now and then that the command still runs."""
    interactive = sys.stdout.isatty() and not os.environ.get("CI")
    if not interactive:
        _say(f"{label} ...")
    ticks = 0
    while process.poll() is None:
        try:
            process.wait(timeout=0.1 if interactive else STILL_SECONDS)
        except subprocess.TimeoutExpired:
            ticks += 1
            elapsed = f"{time.monotonic() - started:.0f} s"
            if interactive:
                print(f"\r\033[K{SPINNER[ticks % len(SPINNER)]} {label} {elapsed}", end="", flush=True)
            else:
                _say(f"{label}: still running after {elapsed}")
    if interactive:
        print("\r\033[K", end="")


def _say(text: str) -> None:
    print(f"[set-up] {text}", flush=True)


def _explain(label: str, command: Sequence[str], output: IO[bytes]) -> str:
    """Return why a command failed: its last lines, without a traceback."""
    output.seek(0)
    text = output.read().decode(errors="replace")
    if (full := FULL.search(text)) is not None:
        return f"{label} failed: {full[0]}. {_free_space()}"
    before, _, after = text.rpartition("Traceback (most recent call last):\n")
    lines = [*before.splitlines(), *(line for line in after.splitlines() if not line.startswith(" "))]
    return "\n".join([f"{label} failed: {' '.join(command)}", *lines[-TAIL_LINES:]])


def _free_space() -> str:
    places = {ROOT: "this directory", Path(tempfile.gettempdir()): "the directory for temporary files"}
    free = [f"{shutil.disk_usage(place).free >> 20} MiB are free in {name} ({place})" for place, name in places.items()]
    return f"{' and '.join(free)}; an environment takes about 300 MiB. Free some space, then try again."


# --- system packages --------------------------------------------------------------------------------------------


def install_packages(reason: str, packages: Sequence[str], *, otherwise: str) -> None:
    """Install Debian packages if this is root on an apt system; raise SetupError with the alternative if not."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"{reason}. {otherwise}")
    _say(f"{reason}; this is root on an apt system, so set-up installs {' '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run("Reading package lists", ["apt-get", "update"], env=quiet)
    except SetupError as error:
        # One broken third-party source fails the whole update (https://github.com/Debian/apt/pull/124), so only the
        # availability of the packages decides.
        _say(f"warning: {error}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    run(f"Installing {' '.join(packages)}", command, env=quiet)


def _is_known_to_apt(package: str) -> bool:
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0


# --- the virtual environment ------------------------------------------------------------------------------------


def base_python() -> str:
    """Return the Python that environments are made with: never one of an environment, which may be the old one."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def leave_environment() -> None:
    """Restart with the Python outside, if this is one of an environment, as ``python3`` is in an activated shell."""
    if sys.prefix != sys.base_prefix and os.access(base_python(), os.X_OK):
        os.execv(base_python(), [base_python(), *sys.argv])  # noqa: S606  the program is the one that runs this


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other set-ups of this clone waiting; the kernel releases the lock when its holder ends."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another make sets this clone up; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment() -> None:
    """Make ``.venv`` an environment of what the lock file pins; an existing one is never modified."""
    wanted = _fingerprint(base_python())
    environment = ENVIRONMENTS / wanted[:16]
    if _stamp(VENV) == wanted or _is_current_plain():
        return
    if _stamp(environment) != wanted:
        _require_ensurepip()
        _fill(environment, wanted)
    _turn_to(environment)


def _fill(environment: Path, wanted: str) -> None:
    """Make an environment; a partial one is removed after a failure, because its space may be what is missing."""
    shutil.rmtree(environment, ignore_errors=True)
    try:
        run("Making the virtual environment", [base_python(), "-m", "venv", str(environment)])
        # pip and not uv: pip reads the pip.conf of an organisation's machines (index, certificates;
        # https://github.com/astral-sh/uv/issues/1404). It also compiles bytecode
        # (https://github.com/astral-sh/uv/issues/1788), without which every command starts several times slower.
        python = str(environment / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        run("Installing what the lock file pins", [*pip, "--require-hashes", "-r", str(INPUTS[0])])
        run("Installing Wheelyard itself", [*pip, "--no-build-isolation", "--editable", str(ROOT)])
        (environment / STAMP).write_text(wanted)
    except BaseException:
        shutil.rmtree(environment, ignore_errors=True)
        raise


def _turn_to(environment: Path) -> None:
    """Point ``.venv`` to another environment, and remove former ones that are unused."""
    former = VENV.resolve()
    if VENV.is_dir() and not VENV.is_symlink():
        former = _put_away()
    link = ENVIRONMENTS / ".link"
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(environment, ROOT))
    link.replace(VENV)
    for other in ENVIRONMENTS.iterdir():
        # The last one stays: shells that have activated it find their programs there.
        if other.is_dir() and other not in {environment, former} and not _users(other):
            shutil.rmtree(other, ignore_errors=True)


def _put_away() -> Path:
    """Move a ``.venv`` that is a directory, as earlier versions made it; raise SetupError if a process runs from it."""
    if users := _users(VENV):
        raise SetupError(
            f"The environment {VENV} must be renewed, and these processes run from it: {', '.join(users)}. "
            "Stop them (Ctrl-C where 'make up' runs), then try again. Later renewals do not affect running processes."
        )
    place = ENVIRONMENTS / f"former-{time.time_ns()}"
    VENV.rename(place)
    return place


def _users(environment: Path) -> list[str]:
    """Return the ids of processes that have files of an environment open or were started from it."""
    marks = {os.fsencode(environment) + b"/", os.fsencode(environment.resolve()) + b"/"}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            seen = (process / "cmdline").read_bytes() + (process / "maps").read_bytes()
            if any(mark in seen for mark in marks):
                found.append(process.name)
    return found


def _stamp(environment: Path) -> str:
    """Return what a complete environment was made from; "" if it is missing or not complete."""
    try:
        return (environment / STAMP).read_text()
    except (OSError, ValueError):
        return ""


def _is_current_plain() -> bool:
    """Return whether ``.venv`` is a directory that an earlier version of this made, of the same lock."""
    try:
        settings = (VENV / "pyvenv.cfg").read_text()
    except (OSError, ValueError):
        return False
    made_with = re.search(r"^command = (.*) -m venv ", settings, re.MULTILINE)
    return made_with is not None and _stamp(VENV) == _fingerprint(made_with[1], place=VENV)


def _fingerprint(python: str, *, place: Path = ENVIRONMENTS) -> str:
    digest = hashlib.sha256(f"{sys.version} {python} {place}".encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _require_ensurepip() -> None:
    """Install the module that brings pip into a virtual environment, which Debian puts into a package of its own.

    See https://github.com/pypa/build/issues/106.
    """
    probe = subprocess.run([base_python(), "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if probe.returncode != 0:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        install_packages(
            f"{base_python()} cannot make virtual environments",
            [package],
            otherwise=f"Install {package} (as root: apt-get install {package}), then try again.",
        )


# --- the container engine ---------------------------------------------------------------------------------------


def ensure_engine() -> None:
    """Find a container engine that answers, start it, or install Debian's; raise SetupError."""
    wanted = os.environ.get("WHEELYARD_ENGINE")
    candidates = (wanted,) if wanted else ENGINES
    if any(_answers(engine) for engine in candidates):
        return
    if wanted:
        raise SetupError(f"The engine that WHEELYARD_ENGINE names, {wanted!r}, does not answer '{wanted} info'.")
    otherwise = (
        "Install one and let your user use it: 'apt-get install podman' (works without root), or "
        "'apt-get install docker.io' and 'usermod -aG docker YOUR-USER'. Where one is installed, start it."
    )
    if shutil.which("dockerd") is None:
        install_packages("No container engine answers", _docker_packages(), otherwise=otherwise)
    elif os.geteuid() != 0:
        raise SetupError(f"No container engine answers. {otherwise}")
    _start_docker()


def _answers(engine: str) -> bool:
    if shutil.which(engine) is None:
        return False
    try:
        probe = subprocess.run([engine, "info"], capture_output=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _docker_packages() -> list[str]:
    """Return Debian's packages of Docker; Debian 13 has moved the client to one of its own.

    See https://bugs.debian.org/cgi-bin/bugreport.cgi?bug=1035338.
    """
    optional = ["docker-cli"] if shutil.which("apt-cache") and _is_known_to_apt("docker-cli") else []
    return ["docker.io", *optional, "ca-certificates", "iptables"]


def _start_docker() -> None:
    _say("starting the Docker daemon")
    if shutil.which("service"):
        started = subprocess.run(["service", "docker", "start"], capture_output=True, check=False)
        if started.returncode == 0 and _wait_for_docker():
            return
    log = _state_dir() / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    _say(f"no service manager started it; starting dockerd in the background, its log is {log}")
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C in this terminal does not end the engine.
        daemon = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    if not _wait_for_docker(daemon):
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise SetupError(f"The Docker daemon does not start: {' '.join(last) or 'no output'} (its log is {log})")


def _wait_for_docker(daemon: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until it answers, or the started daemon has ended, or the time is over."""
    deadline = time.monotonic() + ENGINE_START_SECONDS
    while not (answers := _answers("docker")) and time.monotonic() < deadline:
        if daemon is not None and daemon.poll() is not None:
            return False
        time.sleep(1)
    return answers


def _state_dir() -> Path:
    return Path(os.environ.get("WHEELYARD_STATE_DIR") or "/var/lib/wheelyard")


# --- the rest ---------------------------------------------------------------------------------------------------


def ensure_mmdebstrap() -> None:
    """Make sure that images can be bootstrapped, unless a registry's image is set as their base; raise SetupError."""
    if os.environ.get("WHEELYARD_BASE_IMAGE") or shutil.which("mmdebstrap"):
        return
    install_packages(
        "mmdebstrap, which makes images from Debian's signed archive, is missing",
        ["mmdebstrap", "debian-archive-keyring", "ca-certificates"],
        otherwise="Install it (as root: apt-get install mmdebstrap), or set WHEELYARD_BASE_IMAGE to a registry's image "
        "such as 'debian:{suite}-slim'.",
    )


def ensure_browser() -> None:
    """Make sure that there is a Chromium for the tests of the web pages; raise SetupError."""
    if shutil.which("chromium"):
        return
    install_packages(
        "chromium, in which the web pages are tested, is missing",
        ["chromium"],
        otherwise="Install it (as root: apt-get install chromium), or run single tests with .venv/bin/pytest.",
    )


def ensure_systemd_analyze() -> None:
    """Make sure that there is the program that checks the units in packaging/."""
    if shutil.which("systemd-analyze"):
        return
    install_packages(
        "systemd-analyze, which judges the systemd units, is missing",
        ["systemd"],
        otherwise="Install it (as root: apt-get install systemd), or run single tests with .venv/bin/pytest.",
    )


def ensure_unpacked(package: str, programs: Sequence[str]) -> None:
    """Make sure that there are a package's programs for the tests with them; raise SetupError.

    Debian's package is unpacked in the virtual environment and not installed: that would start a service.
    """
    target = VENV / package
    if all(shutil.which(program) for program in programs) or target.is_dir():
        return
    otherwise = f"Install {package}, or run single tests with .venv/bin/pytest."
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SetupError(f"{package}, which tests need, is missing. {otherwise}")
    if os.geteuid() == 0 and not _is_known_to_apt(package):
        run("Reading package lists", ["apt-get", "update"])
    with tempfile.TemporaryDirectory(dir=VENV) as folder:
        run(f"Fetching {package}", ["apt-get", "download", package], directory=Path(folder))
        (file,) = Path(folder).glob(f"{package}_*.deb")
        run(f"Unpacking {package}", ["dpkg-deb", "--extract", str(file), f"{folder}/files"])
        Path(folder, "files").rename(target)


def main() -> int:
    """Run all steps; return 0 if everything is there."""
    parser = argparse.ArgumentParser(description="Set up a clone of Wheelyard.")
    parser.add_argument("--python-only", action="store_true", help="only the virtual environment")
    parser.add_argument("--with-browser", action="store_true", help="also the browser that tests need")
    parser.add_argument("--with-systemd", action="store_true", help="also the systemd-analyze that a test needs")
    parser.add_argument("--with-prometheus", action="store_true", help="also the Prometheus that a test needs")
    parser.add_argument("--with-nginx", action="store_true", help="also the nginx that a test needs")
    arguments = parser.parse_args()
    try:
        leave_environment()
        with alone():
            _set_up(arguments)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {_describe(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nset-up was interrupted; run it again to continue", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001  a traceback of this program does not help a user of Wheelyard
        print(f"error: set-up failed by a fault of its own: {type(error).__name__}: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _set_up(arguments: argparse.Namespace) -> None:
    make_environment()
    if not arguments.python_only:
        ensure_engine()
        ensure_mmdebstrap()
    if arguments.with_browser:
        ensure_browser()
    if arguments.with_systemd:
        ensure_systemd_analyze()
    if arguments.with_prometheus:
        ensure_unpacked("prometheus", ("prometheus", "promtool"))
    if arguments.with_nginx:
        ensure_unpacked("nginx", ("nginx",))


def _describe(error: OSError) -> str:
    """Return in one line what the operating system refused, where, and what to do."""
    what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}. {_free_space()}"
    if isinstance(error, PermissionError):
        return f"{what}. Is this clone yours? What another user made here, such as root, only that user can renew."
    return f"{what}. Nothing was changed; fix this, then try again."


if __name__ == "__main__":
    sys.exit(main())
