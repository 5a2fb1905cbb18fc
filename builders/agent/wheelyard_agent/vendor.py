"""Fetch crates with ``cargo vendor``: the only job with a network, and without project code.

cargo reads the manifests that the worker wrote, downloads crates, checks them against Cargo.lock and unpacks them. It
compiles nothing, and has no configuration except the one in this module.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.channel import Channel
from wheelyard_agent.job import JobError, clean_environment, say

# cargo has no exit codes for network errors: it prefixes libcurl's message with this, and its own time limit with that.
_UNREACHABLE = re.compile(r"curl failed|spurious network error|network failure|\btimed out\b|Could not resolve host")
# cargo has no exit code for a lock file that is out of date: https://github.com/rust-lang/cargo/issues/4603
_STALE = re.compile(r"needs to be updated but --locked|cannot update the lock file")
LOCKS = ".wheelyard-locks"
"""The archive's folder of lock files that were made or brought up to date here."""
_LAST_LINES = 12


def vendor_crates(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``vendor`` job: ``files``, ``packages``, ``roots``, ``unlocked``, ``certificates``, ``archive``."""
    source, crates = scratch / "src", scratch / "crates"
    _write_manifests(source, job["files"], job["packages"])
    env = clean_environment(scratch / "home", **_trust(inbox, job["certificates"]))
    for root in job["unlocked"]:
        _run(["cargo", "generate-lockfile", "--manifest-path", str(source / root)], env=env)
    first, *others = (str(source / root) for root in job["roots"])
    syncs = [part for root in others for part in ("--sync", root)]
    command = ["cargo", "vendor", "--versioned-dirs", "--manifest-path", first, *syncs, str(crates)]
    try:
        _run([*command, "--locked"], env=env)
    except JobError as failure:
        if not _STALE.search(str(failure.details.get("reason"))):
            raise
        say("its Cargo.lock is older than its Cargo.toml, so what they differ in is resolved again")
        _run(command, env=env)
    crates.mkdir(exist_ok=True)  # cargo makes no folder if there are no crates
    _keep_new_locks(source, job["files"], crates / LOCKS)
    archive = scratch / job["archive"]
    _pack(crates, archive)
    channel.send_file(archive)
    channel.send("report")


def _keep_new_locks(source: Path, files: Mapping[str, str], folder: Path) -> None:
    """Copy the lock files that cargo wrote, so that the build has the same crates that were fetched."""
    for lock in sorted(source.rglob("Cargo.lock")):
        name = lock.relative_to(source)
        text = lock.read_text(encoding="utf-8")
        if files.get(str(name)) != text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")


def _trust(inbox: Path, certificates: str | None) -> dict[str, str]:
    if certificates is None:
        return {}
    path = str(inbox / certificates)
    return {"CARGO_HTTP_CAINFO": path, "SSL_CERT_FILE": path}


def _write_manifests(source: Path, files: Mapping[str, str], packages: Sequence[str]) -> None:
    for name, text in files.items():
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for package in packages:
        (source / package / "src").mkdir(exist_ok=True)
        (source / package / "src" / "lib.rs").touch()


def _run(command: Sequence[str], *, env: Mapping[str, str]) -> None:
    """Run cargo with its output in the log; if it fails, its last output is the reason."""
    say(" ".join(command[:2]))
    done = subprocess.run(
        list(command),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    text = done.stderr.decode(errors="replace")
    say(text.strip())
    if done.returncode:
        error = text.partition("error: ")[2] or text
        reason = " ".join(" ".join(error.splitlines()[-_LAST_LINES:]).split())
        raise JobError("crates-unavailable" if _UNREACHABLE.search(text) else "crates-refused", reason=reason)


def _pack(folder: Path, archive: Path) -> None:
    """Pack a folder with sorted names and no data of this machine, so that equal crates give equal bytes."""

    def bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=bare)
