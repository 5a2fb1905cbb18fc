"""Audit a wheel that others built, and change it only where its tag or its libraries are not right.

auditwheel keeps each manylinux tag that a wheel has, also a false one, so what the audit of the result says replaces
the platform tag here.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.audit import GraftRules, audit_wheel, glibc_of
from wheelyard_agent.channel import Channel
from wheelyard_agent.claims import Tags, check_claims, kept_search_paths, lie, policy_lies, read_natives
from wheelyard_agent.elf import elf_members, extension_modules
from wheelyard_agent.extension_sources import find_extension_sources, requirement_names
from wheelyard_agent.job import TOOLS, JobError, run, say
from wheelyard_agent.linkage import Policies, read_linkage, read_search_paths
from wheelyard_agent.placement import placement_lies
from wheelyard_agent.relabel import relabel_wheel
from wheelyard_agent.repair import (
    add_contents,
    audit_readable,
    check_purity,
    describe_native,
    graft_libraries,
    needed_by,
    refuse_lies,
    set_tags,
    tools_environment,
    why_not,
)
from wheelyard_agent.rewrite import info_folder, rewrite_wheel, signatures
from wheelyard_agent.sbom import auditwheels_document
from wheelyard_agent.sdist import unpack_sdist
from wheelyard_agent.toml_tables import read_toml, table

# auditwheel removes links to libpython instead of grafting it.
_LIBPYTHON = re.compile(r"libpython\d+\.\d+[a-z]*\.so(?:\.\d)*")
_GLIBC = frozenset({"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"})
_PURELIB = re.compile(r"[^/]+\.data/purelib/")
_IS_PURELIB = re.compile(rb"(?im)^(Root-Is-Purelib:[ \t]*)true(?=[ \t\r]*$)")


def repair_brought(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``repair`` job with ``brought``: see ``repair_wheel``; ``platform`` is no bound.

    A wheel that is right already is not sent back, so that it stays byte for byte what it was.
    """
    wheel, env = inbox / job["wheel"], tools_environment(job, scratch)
    members, kept = elf_members(wheel), auditwheels_document(wheel)
    extensions = extension_modules(wheel, members)
    doubts = refuse_lies(all_lies(wheel, members, extensions))
    if is_relabelled := job["relabel"] is not None:
        wheel = relabel_wheel(wheel, **job["relabel"])
        members = elf_members(wheel)
    mended: list[dict[str, Any]] = []
    tags: list[str] = []
    choice = several_platforms(wheel)
    if choice:  # it complies with no single policy
        members, path, report = [], wheel, _without_policy()
        detail = f"it has libraries for {choice}; which of them is loaded is not proven"
        doubts.append(lie("tag-too-general", "any", detail, fatal=False))
    elif members:
        path, tags, report = _repair_native(wheel, members, job, scratch, env)
        mended = report.pop("lies")
    else:
        tags = check_purity(wheel, job["extensions"], may_be_pure=job["may_be_pure"])
        path, report = wheel, _without_policy()
    links = {}
    if members:
        path, told = _correct_content(path, extensions, report["policy"], scratch, env)
        mended += told
        links = _changed_links(wheel, path, members, report["grafted"]) if path != wheel else {}
    is_changed = is_relabelled or path != wheel or bool(tags)
    if is_changed:
        if signed := signatures(path):
            path = rewrite_wheel(path, scratch / "unsigned", {}, dropped=signed)
            detail = "it signs the bytes before the repair, so it was left out"
            mended += [lie("record-mismatch", name, detail, fatal=False) for name in signed]
        path = set_tags(_named_as_inside(path), [*tags, "--build", job["build_tag"]], env)
        if members:
            path, contents = add_contents(path, kept, report["grafted"], job, scratch)
            report |= contents
        left = refuse_lies(check_claims(path))  # patchelf can spoil a file
        mended += [one for one in doubts if one not in left]
        doubts = left
        channel.send_file(path)
    else:
        say(f"{wheel.name} is right as it is, and stays unchanged")
    named = {"native_files": [Path(member).name for member in members], "extensions": extensions}
    sources = _sources(inbox / job["sdist"], job["python_version"], scratch, env) if job["sdist"] else []
    facts = {"is_changed": is_changed, "is_pure": not members, "lies": doubts, "mended": mended}
    channel.send("report", wheel=path.name, sources=sources, **facts, **named, **report, **links)


def _sources(sdist: Path, python: str, scratch: Path, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what extension modules the sdist of the wheel's release suggests; nothing if it cannot be unpacked."""
    try:
        source, _ = unpack_sdist(sdist, scratch / "sdist")
    except (JobError, OSError) as error:
        say(f"{sdist.name} is not compared with the wheel: {error}")
        return []
    listed = table(read_toml(source / "pyproject.toml"), "build-system").get("requires")
    requires = {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
    major, minor = map(int, python.split("."))
    found = find_extension_sources(source, python=(major, minor), env=env, requires=requirement_names(requires))
    return [one._asdict() for one in found]


def all_lies(wheel: Path, members: Sequence[str], extensions: Sequence[str]) -> list[dict[str, Any]]:
    """Return all lies of a brought wheel; that its tag is for any platform stands for those of its modules."""
    general = _python_lies(wheel.name, extensions)
    claims = [one for one in check_claims(wheel) if not general or one["kind"] != "tag-too-general"]
    return [*general, *purelib_lies(members), *claims, *_only_foreign(wheel, members), *placement_lies(wheel)]


def _only_foreign(wheel: Path, members: Sequence[str]) -> list[dict[str, Any]]:
    """Return the native files of a wheel for Linux that has none for Linux."""
    if members or wheel.name.endswith("-any.whl"):
        return []
    return [
        lie(
            "foreign-platform",
            file.member,
            f"{file.strange_to(Tags.of(wheel.name))}, and the wheel has no other native file",
        )
        for file in read_natives(wheel)
        if file.elf is None and file.place is None
    ]


def _without_policy() -> dict[str, Any]:
    return {"policy": None, "policy_reason": None, "grafted": []}


def several_platforms(wheel: Path) -> str:
    """Return for which platforms a wheel for any platform has libraries, if it is more than one; else empty text.

    Such a wheel chooses among them when it runs, so a tag for one of them would hide it from the others.
    """
    if not wheel.name.endswith("-any.whl"):
        return ""
    natives = [file for file in read_natives(wheel) if file.elf is None or file.elf.machine]
    found = sorted({file.platform_name for file in natives})
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else ""


def purelib_lies(members: Sequence[str]) -> list[dict[str, Any]]:
    """Return the native files in the place of files for every platform (purelib), which auditwheel refuses too."""
    wrong = [member for member in members if _PURELIB.match(member)]
    detail = "it is native, and the wheel has it installed as a file for every platform (purelib)"
    return [lie("purelib-native", member, detail) for member in wrong]


def _correct_content(
    wheel: Path, extensions: Sequence[str], policy: str, scratch: Path, env: Mapping[str, str]
) -> tuple[Path, list[dict[str, Any]]]:
    """Return the wheel or a copy without wrong search paths and with a true WHEEL, and the lies that WHEEL had."""
    content = _without_wrong_paths(wheel, Policies(policy).promised, scratch, env)
    name = f"{info_folder(wheel)}/WHEEL"
    with zipfile.ZipFile(wheel) as bundle:
        text = bundle.read(name)
    told = []
    if extensions and _IS_PURELIB.search(text):
        content[name] = _IS_PURELIB.sub(rb"\1false", text)
        detail = "it is true, as of a wheel without native code, and the wheel has extension modules"
        told.append(lie("purelib-native", "Root-Is-Purelib", detail, fatal=False))
    return (rewrite_wheel(wheel, scratch / "corrected", content), told) if content else (wheel, told)


def _without_wrong_paths(
    wheel: Path, promised: Collection[str], scratch: Path, env: Mapping[str, str]
) -> dict[str, bytes]:
    """Return new content of the files with wrong search paths, if they find all their libraries without these."""
    with zipfile.ZipFile(wheel) as bundle:
        names, changed = bundle.namelist(), {}
        for file in read_natives(wheel):
            kept = kept_search_paths(file, names, promised)
            if kept is None or file.elf is None:
                continue
            copy = scratch / "patched.so"
            copy.write_bytes(bundle.read(file.member))
            kind = ["--force-rpath"] if file.elf.has_rpath else []
            change = ["--set-rpath", ":".join(kept)] if kept else ["--remove-rpath"]
            if run([str(TOOLS / "patchelf"), *kind, *change, str(copy)], env=env) == 0:
                changed[file.member] = copy.read_bytes()
    return changed


def _named_as_inside(wheel: Path) -> Path:
    """Rename a wheel as its ``.dist-info`` folder is named: ``wheel tags`` would add a second one in other letters."""
    rest = wheel.name.split("-", 2)[2]
    return wheel.rename(wheel.with_name(f"{info_folder(wheel).removesuffix('.dist-info')}-{rest}"))


def _repair_native(
    wheel: Path, members: Sequence[str], job: Mapping[str, Any], scratch: Path, env: Mapping[str, str]
) -> tuple[Path, list[str], dict[str, Any]]:
    """Return the wheel, or a repaired copy of it, the options that correct its tags, and the report."""
    rules, before = audit_readable(wheel, GraftRules(exclude=job["exclude"], graft=job["graft"]), env)
    repaired, after = wheel, before
    if glibc_of(before["overall_tag"]) is None:
        refuse_lies(_library_lies(wheel, before, rules))
        repaired = graft_libraries(wheel, before, rules, scratch / "repaired", env)
    if repaired != wheel or rules.graft:
        after = audit_wheel(repaired, rules=rules._replace(graft=()), env=env)
    if glibc_of(after["overall_tag"]) is None:
        raise JobError("repair-failed", reason=why_not(after))
    report = describe_native(repaired, members, before, after, env)
    # Of the wheel as it was brought: the audit of the repaired one judges its own symbols, and those of its libraries.
    report["lies"] = [one for one in policy_lies(wheel.name, after, {}) if one["kind"] == "tag-too-old"]
    if wheel.name.endswith("-any.whl"):
        report["lies"].append(lie("tag-too-general", "any", "it has native files of one platform", fatal=False))
    musl = _musl_lies(wheel, repaired)
    report["lies"] += musl
    if repaired == wheel and not musl and claims_hold(wheel.name, after["overall_tag"]):
        return wheel, [], report
    platforms = [*Policies(after["overall_tag"]).tags_of(after["overall_tag"])]
    platforms += () if musl else Tags.of(wheel.name).musl_platforms
    return repaired, ["--platform-tag", ".".join(platforms)], report


def claims_hold(filename: str, policy: str) -> bool:
    """Return whether each platform tag of a wheel promises no older glibc than the policy that it complies with.

    A claim for musl is judged by ``_musl_lies``: a program that needs no libc may serve both.
    """
    needs = glibc_of(policy)
    claims = [glibc_of(tag) for tag in Tags.of(filename).platforms if not tag.startswith("musllinux")]
    return (
        needs is not None
        and bool(claims)
        and all(
            claim is not None and claim.architecture == needs.architecture and claim.version >= needs.version
            for claim in claims
        )
    )


def _musl_lies(wheel: Path, repaired: Path) -> list[dict[str, Any]]:
    """Return the claims for musl of a wheel whose native files all link to glibc, or to libraries that repair added.

    If some link to no libc, the wheel may choose among its files, so its claim is left.
    """
    claims = Tags.of(wheel.name).musl_platforms
    linked = [(file.member, _GLIBC.intersection(file.elf.needed)) for file in read_natives(repaired) if file.elf]
    if not claims or not linked or not all(libraries for _, libraries in linked):
        return []
    member, libraries = linked[0]
    detail = f"{member} links to {min(libraries)} of glibc, which hosts with musl lack, so this claim was dropped"
    return [lie("foreign-platform", tag, detail, fatal=False) for tag in claims]


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
