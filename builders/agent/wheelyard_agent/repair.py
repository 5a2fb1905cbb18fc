"""Make a wheel comply with manylinux: audit, decide, repair with auditwheel, and say where each library came from.

Runs in a fresh container: the code that was built has never run here.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wheelyard_agent.channel import Channel
from wheelyard_agent.debian import Owner, find_owners
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.job import TOOLS, JobError, clean_environment, output_of, run, say

_POLICY = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")


def repair_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Do a ``repair`` job: ``wheel``, ``platform``, ``build_tag`` and ``epoch`` are its fields."""
    wheel = inbox / job["wheel"]
    env = clean_environment(scratch / "home", SOURCE_DATE_EPOCH=str(job["epoch"]))
    env["PATH"] = f"{TOOLS}:{env['PATH']}"  # auditwheel finds patchelf there
    members = elf_members(wheel)
    extensions = extension_modules(wheel, members)
    if members:
        report = _repair_native(wheel, job["platform"], scratch, env)
    else:
        _check_purity(wheel)
        say(f"{wheel.name} is pure: it is left as it is, but for its build tag")
        report = {"policy": None, "grafted": [], "audit": None, "path": wheel}
    tagged = _add_build_tag(Path(report.pop("path")), job["build_tag"], env)
    channel.send_file(tagged)
    channel.send("report", wheel=tagged.name, is_pure=not members, extensions=extensions, **report)


def _check_purity(wheel: Path) -> None:
    """Refuse a wheel that claims a platform without holding anything native: its extension was lost on the way."""
    if not wheel.stem.endswith("-any"):
        tag = "-".join(wheel.stem.split("-")[-3:])
        raise JobError("extension-missing", missing=[f"any native file, though its tag is {tag}"])


def _repair_native(wheel: Path, platform: str, scratch: Path, env: Mapping[str, str]) -> dict[str, Any]:
    before = _audit(wheel, env)
    out = scratch / "repaired"
    command = [str(TOOLS / "auditwheel"), "repair", "--plat", "auto", "--wheel-dir", str(out), str(wheel)]
    if run(command, env=env) != 0:
        raise JobError("repair-failed", reason="auditwheel could not repair it, see the log")
    repaired = next(iter(out.glob("*.whl")), None)
    if repaired is None:
        # auditwheel leaves a wheel alone that complies with no manylinux policy whatever is grafted.
        raise JobError("repair-failed", reason=_why_not(before))
    after = _audit(repaired, env)
    _check_policy(after, platform)
    grafted = _ledger(repaired, before["external_libs"], env)
    say(f"{after['overall_tag']}: {len(grafted)} libraries were grafted")
    return {"policy": after["overall_tag"], "grafted": grafted, "audit": before, "path": repaired}


def _audit(wheel: Path, env: Mapping[str, str]) -> dict[str, Any]:
    text = output_of([str(TOOLS / "auditwheel"), "show", "--json", str(wheel)], env=env)
    if text is None:
        raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise JobError("repair-failed", reason="auditwheel's report is not an object")
    return facts


def _check_policy(audit: Mapping[str, Any], platform: str) -> None:
    """Compare what the repaired wheel needs with what was asked for."""
    needs, wanted = _POLICY.fullmatch(audit["overall_tag"]), _POLICY.fullmatch(platform)
    if needs is None or wanted is None:
        raise JobError("repair-failed", reason=_why_not(audit))
    if (int(needs[1]), int(needs[2])) > (int(wanted[1]), int(wanted[2])):
        raise JobError("repair-failed", reason=_why_not(audit))


def _why_not(audit: Mapping[str, Any]) -> str:
    symbols = [f"{max(versions, key=_numbers)} of {soname}" for soname, versions in audit["versioned_symbols"].items()]
    return f"it needs {', '.join(symbols) or 'libraries outside the policy'} ({audit['overall_tag']})"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _ledger(repaired: Path, external: Mapping[str, str | None], env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Say where each grafted library came from: auditwheel names it after its file and the file's digest."""
    sources = {soname: Path(path) for soname, path in external.items() if path}
    owners = find_owners(list(sources.values()), env=env)
    with zipfile.ZipFile(repaired) as bundle:
        members = {Path(name).name: name for name in bundle.namelist()}
    entries = [_entry(soname, path, owners.get(path), members) for soname, path in sorted(sources.items())]
    return [entry for entry in entries if entry is not None]


def _entry(soname: str, path: Path, owner: Owner | None, members: Mapping[str, str]) -> dict[str, Any] | None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    base, dot, rest = path.name.partition(".")
    member = members.get(f"{base}-{digest[:8]}{dot}{rest}")
    if member is None:
        return None
    package = owner._asdict() if owner else {"package": None, "package_version": None, "source_package": None}
    return {"soname": soname, "path": member, "sha256": digest, **package}


def _add_build_tag(wheel: Path, tag: str, env: Mapping[str, str]) -> Path:
    """Give the wheel a build tag (PEP 427), so that it never bears the file name of upstream's."""
    python = TOOLS / "python"
    command = [str(python), "-m", "wheel", "tags", "--remove", "--build", tag, str(wheel)]
    before = set(wheel.parent.glob("*.whl"))
    if run(command, env=env) != 0:
        raise JobError("repair-failed", reason="its build tag could not be set, see the log")
    return next(iter(set(wheel.parent.glob("*.whl")) - before))
