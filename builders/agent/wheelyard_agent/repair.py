"""Make a wheel comply with manylinux: audit it, repair it with auditwheel, and report the origin of each library.

This runs in a fresh container, in which the built code has never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.audit import GraftRules, audit_wheel, auditwheel_command, glibc_of, newest_symbols
from wheelyard_agent.channel import Channel
from wheelyard_agent.claims import check_claims, lie, loaded_members, policy_lies
from wheelyard_agent.components import find_components
from wheelyard_agent.elf import elf_members, extension_modules, module_place
from wheelyard_agent.graft_ledger import find_grafts, write_ledger
from wheelyard_agent.job import TOOLS, JobError, clean_environment, run, say
from wheelyard_agent.linkage import Linkage, Policies, find_unreadable, read_linkage
from wheelyard_agent.policy_reason import NativeFiles, explain_policy
from wheelyard_agent.sbom import auditwheels_document, describe_contents


def repair_wheel(channel: Channel, job: dict[str, Any], inbox: Path, scratch: Path) -> None:
    """Run a ``repair`` job: ``wheel``, ``platform``, ``build_tag``, ``epoch``, and the recipe's rules for repair."""
    wheel, env = inbox / job["wheel"], tools_environment(job, scratch)
    refuse_lies(_of_build(check_claims(wheel)))
    members = elf_members(wheel)
    extensions = extension_modules(wheel, members)
    tags = ["--build", job["build_tag"]]
    if members:
        report = _repair_native(wheel, members, job, scratch, env)
        if report["lies"]:  # auditwheel keeps a false older tag that the build gave
            tags += ["--platform-tag", report["policy"]]
    else:
        tags += check_purity(wheel, job["extensions"], may_be_pure=job["may_be_pure"])
        say(f"{wheel.name} is pure: it is left as it is, but for its tags")
        report = {"policy": None, "policy_reason": None, "grafted": [], "path": wheel, "lies": []}
    tagged = set_tags(Path(report.pop("path")), tags, env)
    if members:
        tagged, contents = add_contents(tagged, auditwheels_document(wheel), report["grafted"], job, scratch)
        report |= contents
    # Again, for what repair changed: patchelf can spoil a file, and only what is left now is told.
    lies = [*report.pop("lies"), *refuse_lies(_of_build(check_claims(tagged)))]
    channel.send_file(tagged)
    named = {"native_files": [Path(member).name for member in members], "extensions": extensions}
    channel.send("report", wheel=tagged.name, is_pure=not members, lies=lies, **named, **report)


def add_contents(
    tagged: Path, kept: bytes | None, grafted: Sequence[Mapping[str, Any]], job: Mapping[str, Any], scratch: Path
) -> tuple[Path, dict[str, Any]]:
    """Return a copy of a repaired wheel that says what it is made of, and the same for the report.

    Args:
        tagged: The wheel, with its final tags.
        kept: The document that auditwheel wrote before our repair.
        grafted: The ledger of grafted libraries.
        job: ``linked`` has what the build linked statically; the license texts of crates are in a file beside it.
        scratch: A folder for the copy.
    """
    linked = job["linked"]
    texts = scratch / "in" / linked["texts"] if linked["texts"] else None
    env = tools_environment(job, scratch)
    contents = find_components(grafted, linked["archives"], linked["crates"], texts, env=env)
    described, sbom = describe_contents(tagged, scratch / "described", contents, kept=kept)
    return described, {"components": [one._asdict() for one in contents.components], "sbom": sbom}


def _of_build(lies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lies that count for a wheel that was built here.

    Projects declare late that they can do without the GIL, and their wheels work: the imports show what is true.
    """
    return [one for one in lies if one["kind"] != "gil-enabled"]


def refuse_lies(lies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fail if one of the lies is fatal; return those that are warnings."""
    fatal = [one for one in lies if one["fatal"]]
    if fatal:
        raise JobError("wheel-claims-false", lies=fatal)
    return list(lies)


def check_purity(wheel: Path, extensions: Sequence[str], *, may_be_pure: bool) -> list[str]:
    """Refuse a wheel that has a platform tag but no native file: its extension is missing.

    If the recipe allows a pure wheel, return the options that remove the platform tag instead.
    """
    if wheel.stem.endswith("-any"):
        return []
    if may_be_pure:
        return ["--abi-tag", "none", "--platform-tag", "any"]
    tag = "-".join(wheel.stem.split("-")[-3:])
    evidence = [f"It has no native file, though its tag is {tag}."] if extensions else []
    missing = list(extensions) or [f"any native file, though its tag is {tag}"]
    raise JobError("extension-missing", missing=missing, evidence=evidence)


def tools_environment(job: Mapping[str, Any], scratch: Path) -> dict[str, str]:
    """Return the environment of the tools; what they write has the job's time."""
    env = clean_environment(scratch / "home", SOURCE_DATE_EPOCH=str(job["epoch"]))
    env["PATH"] = f"{TOOLS}:{env['PATH']}"  # auditwheel searches patchelf on PATH
    return env


def _repair_native(
    wheel: Path, members: Sequence[str], job: Mapping[str, Any], scratch: Path, env: Mapping[str, str]
) -> dict[str, Any]:
    rules, before = audit_readable(wheel, GraftRules(exclude=job["exclude"], graft=job["graft"]), env)
    repaired = graft_libraries(wheel, before, rules, scratch / "repaired", env)
    # The policy is judged as it is written: what was grafted beyond it is a part of the wheel now.
    after = audit_wheel(repaired, rules=rules._replace(graft=()), env=env)
    _check_policy(after, job["platform"])
    lies = [one for one in policy_lies(repaired.name, after, {}) if one["kind"] == "tag-too-old"]
    return {**describe_native(repaired, members, before, after, env), "path": repaired, "lies": lies}


def audit_readable(wheel: Path, rules: GraftRules, env: Mapping[str, str]) -> tuple[GraftRules, dict[str, Any]]:
    """Audit a wheel; return the rules as well, which ignore files that nothing loads and that cannot be read."""
    try:
        return rules, audit_wheel(wheel, rules=rules, env=env)
    except JobError:
        unreadable = find_unreadable(wheel, elf_members(wheel))
        loaded = loaded_members(wheel)
        refuse_lies(
            [
                lie("elf-corrupt", name, why)
                for name, why in unreadable.items()
                if name in loaded or ((place := module_place(name)) is not None and place.tag)
            ]
        )
        if not unreadable:
            raise
    say(f"not audited, because nothing loads them and they cannot be read: {', '.join(unreadable)}")
    rules = rules._replace(ignored=tuple(unreadable))
    return rules, audit_wheel(wheel, rules=rules, env=env)


def graft_libraries(
    wheel: Path, audit: Mapping[str, Any], rules: GraftRules, out: Path, env: Mapping[str, str]
) -> Path:
    """Return a copy of the wheel in a new folder, repaired by auditwheel; ``audit`` is of the wheel as it is."""
    options = ["--plat", "auto", "--wheel-dir", str(out)]
    options += [part for one in rules.exclude for part in ("--exclude", one)]
    if run(auditwheel_command("repair", *options, str(wheel), rules=rules), env=env) != 0:
        needs = read_linkage(wheel, elf_members(wheel))
        promised = Policies(audit["overall_tag"]).promised
        lacking = {
            name: path for name, path in audit["external_libs"].items() if rules.wants(name) or name not in promised
        }
        lies = policy_lies(
            wheel.name, {**audit, "external_libs": lacking}, {name: needed_by(needs, name) for name in lacking}
        )
        refuse_lies([{**one, "fatal": True} for one in lies if one["kind"] == "library-not-promised"])
        raise JobError("repair-failed", reason="auditwheel could not repair it, see the log")
    repaired = next(iter(out.glob("*.whl")), None)
    if repaired is None:
        # auditwheel does not change a wheel that cannot comply with any manylinux policy.
        raise JobError("repair-failed", reason=why_not(audit))
    return repaired


def describe_native(
    wheel: Path, members: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any], env: Mapping[str, str]
) -> dict[str, Any]:
    """Return the policy that a repaired wheel complies with, what sets it, and the origin of each grafted library.

    ``members`` are the native files before the repair, ``before`` and ``after`` the audits.
    """
    now = elf_members(wheel)
    grafts = find_grafts(members, now, before["external_libs"])
    files = NativeFiles(read_linkage(wheel, now), {member: graft.soname for member, graft in grafts.items()})
    policies = Policies(after["overall_tag"])
    grafted = write_ledger(wheel, grafts, files, promised=policies.promised, env=env)
    beyond = [one["soname"] for one in grafted if one["beyond_policy"]]
    say(f"{after['overall_tag']}: {len(grafted)} libraries were grafted")
    if beyond:
        say(f"grafted although the policy promises them on every host: {', '.join(beyond)}")
    reason = explain_policy(after, files, policies=policies.names, of_version=policies.of_version)
    return {"policy": after["overall_tag"], "policy_reason": reason, "grafted": grafted}


def needed_by(needs: Mapping[str, Linkage], name: str) -> list[str]:
    """Return the members of a wheel that link to a library."""
    return [member for member, linkage in needs.items() if name in linkage.needed]


def _check_policy(audit: Mapping[str, Any], platform: str) -> None:
    """Fail if the repaired wheel does not comply with the requested platform."""
    needs, wanted = glibc_of(audit["overall_tag"]), glibc_of(platform)
    if needs is None or wanted is None or needs.version > wanted.version:
        raise JobError("repair-failed", reason=why_not(audit))


def why_not(audit: Mapping[str, Any]) -> str:
    """Return what an audited wheel needs that its platform does not have."""
    return f"it needs {', '.join(newest_symbols(audit)) or 'libraries outside the policy'} ({audit['overall_tag']})"


def set_tags(wheel: Path, tags: Sequence[str], env: Mapping[str, str]) -> Path:
    """Set tags, with a build tag (PEP 427), so that the wheel never has the file name of upstream's."""
    python = TOOLS / "python"
    command = [str(python), "-m", "wheel", "tags", "--remove", *tags, str(wheel)]
    before = set(wheel.parent.glob("*.whl"))
    if run(command, env=env) != 0:
        raise JobError("repair-failed", reason="its tags could not be set, see the log")
    return next(iter(set(wheel.parent.glob("*.whl")) - before), wheel)  # it may have had these tags
