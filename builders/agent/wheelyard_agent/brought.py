"""Audit a wheel that others built, and change it only where its tag or its libraries are not right.

auditwheel keeps each manylinux tag that a wheel has, also a false one, so what the audit of the result says replaces
the platform tag here.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.audit import GraftRules, audit_wheel, glibc_of
from wheelyard_agent.channel import Channel
from wheelyard_agent.claims import check_claims, lie, policy_lies
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.job import JobError, say
from wheelyard_agent.linkage import Policies, read_linkage, read_search_paths
from wheelyard_agent.repair import (
    check_purity,
    describe_native,
    graft_libraries,
    needed_by,
    refuse_lies,
    set_tags,
    tools_environment,
    why_not,
)

# auditwheel removes links to libpython instead of grafting it.
_LIBPYTHON = re.compile(r"libpython\d+\.\d+[a-z]*\.so(?:\.\d)*")


def repair_brought(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``repair`` job with ``brought``: see ``repair_wheel``; ``platform`` is no bound.

    A wheel that is right already is not sent back, so that it stays byte for byte what it was.
    """
    wheel, env = inbox / job["wheel"], tools_environment(job, scratch)
    members = elf_members(wheel)
    extensions = extension_modules(wheel, members)
    if members:
        refuse_lies(_python_lies(wheel.name, extensions))
    doubts, mended = refuse_lies(check_claims(wheel)), []
    if members:
        path, tags, report = _repair_native(wheel, members, job, scratch, env)
        mended = report.pop("lies")
    else:
        tags = check_purity(wheel, job["extensions"], may_be_pure=job["may_be_pure"])
        path, report = wheel, {"policy": None, "policy_reason": None, "grafted": []}
    links = _changed_links(wheel, path, members, report["grafted"]) if path != wheel else {}
    is_changed = path != wheel or bool(tags)
    if is_changed:
        path = set_tags(_named_as_inside(path), [*tags, "--build", job["build_tag"]], env)
        left = refuse_lies(check_claims(path))  # patchelf can spoil a file
        mended += [one for one in doubts if one not in left]
        doubts = left
        channel.send_file(path)
    else:
        say(f"{wheel.name} is right as it is, and stays unchanged")
    named = {"native_files": [Path(member).name for member in members], "extensions": extensions}
    facts = {"is_changed": is_changed, "is_pure": not members, "lies": doubts, "mended": mended}
    channel.send("report", wheel=path.name, **facts, **named, **report, **links)


def _named_as_inside(wheel: Path) -> Path:
    """Rename a wheel as its ``.dist-info`` folder is named: ``wheel tags`` would add a second one in other letters."""
    with zipfile.ZipFile(wheel) as bundle:
        folders = {member.partition("/")[0] for member in bundle.namelist()}
    info = next(folder for folder in sorted(folders) if folder.endswith(".dist-info"))
    rest = wheel.name.split("-", 2)[2]
    return wheel.rename(wheel.with_name(f"{info.removesuffix('.dist-info')}-{rest}"))


def _repair_native(
    wheel: Path, members: Sequence[str], job: Mapping[str, Any], scratch: Path, env: Mapping[str, str]
) -> tuple[Path, list[str], dict[str, Any]]:
    """Return the wheel, or a repaired copy of it, the options that correct its tags, and the report."""
    rules = GraftRules(exclude=job["exclude"], graft=job["graft"])
    before = audit_wheel(wheel, rules=rules, env=env)
    repaired, after = wheel, before
    if glibc_of(before["overall_tag"]) is None:
        refuse_lies(_library_lies(wheel, before, rules))
        repaired = graft_libraries(wheel, before, rules, scratch / "repaired", env)
    if repaired != wheel or rules.graft:
        after = audit_wheel(repaired, rules=GraftRules(exclude=rules.exclude), env=env)
    if glibc_of(after["overall_tag"]) is None:
        raise JobError("repair-failed", reason=why_not(after))
    report = describe_native(repaired, members, before, after, env)
    # Of the wheel as it was brought: the audit of the repaired one judges its own symbols, and those of its libraries.
    report["lies"] = [one for one in policy_lies(wheel.name, after, {}) if one["kind"] == "tag-too-old"]
    if wheel.name.endswith("-any.whl"):
        report["lies"].append(lie("tag-too-general", "any", "it has native files of one platform", fatal=False))
    if repaired == wheel and claims_hold(wheel.name, after["overall_tag"]):
        return wheel, [], report
    return repaired, ["--platform-tag", ".".join(Policies(after["overall_tag"]).tags_of(after["overall_tag"]))], report


def claims_hold(filename: str, policy: str) -> bool:
    """Return whether each platform tag of a wheel promises no older glibc than the policy that it complies with.

    A claim for musl beside that is not judged here: a program that needs no libc may serve both.
    """
    needs = glibc_of(policy)
    tags = filename.removesuffix(".whl").rpartition("-")[2].split(".")
    claims = [glibc_of(tag) for tag in tags if not tag.startswith("musllinux")]
    return (
        needs is not None
        and bool(claims)
        and all(
            claim is not None and claim.architecture == needs.architecture and claim.version >= needs.version
            for claim in claims
        )
    )


def _python_lies(filename: str, extensions: Sequence[str]) -> list[dict[str, Any]]:
    """Return that a wheel for any platform has extension modules: its Python tag is false too, so none is certain."""
    if not filename.endswith("-any.whl") or not extensions:
        return []
    detail = f"it has extension modules of CPython: {', '.join(extensions[:10])}"
    return [lie("tag-too-general", "-".join(filename.removesuffix(".whl").split("-")[-3:]), detail)]


def _library_lies(wheel: Path, audit: Mapping[str, Any], rules: GraftRules) -> list[dict[str, Any]]:
    """Return the libraries that the loader does not find: where the wheel has them, or not in this builder either."""
    promised = Policies(audit["overall_tag"]).promised - set(rules.graft)
    lacking = {name for name in audit["external_libs"] if name not in promised and not _LIBPYTHON.fullmatch(name)}
    members = elf_members(wheel)
    inside = {Path(member).name: member for member in members}
    needs = read_linkage(wheel, members)
    found = policy_lies(wheel.name, audit, {name: needed_by(needs, name) for name in lacking})
    return [
        lie("rpath-invalid", name, f"the wheel has it as {inside[name]}, where no search path (RPATH) leads")
        if name in inside
        else {**one, "fatal": True}
        for one in found
        if one["kind"] == "library-not-promised" and (name := one["subject"]) in lacking
    ]


def _changed_links(
    wheel: Path, repaired: Path, members: Sequence[str], grafted: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what repair changed in the native files that were there before: search paths, and libraries left out."""
    kept = [member for member in elf_members(repaired) if member in set(members)]
    before, after = read_search_paths(wheel, kept), read_search_paths(repaired, kept)
    linked, links = read_linkage(wheel, kept), read_linkage(repaired, kept)
    known = {one["soname"] for one in grafted}
    dropped = {name for member in kept for name in set(linked[member].needed) - set(links[member].needed) - known}
    return {
        "search_paths": [
            {"file": member, "before": before[member], "after": after[member]}
            for member in kept
            if before[member] != after[member]
        ],
        "dropped_libraries": sorted(dropped),
    }
