"""Repair's decisions: does the audited wheel serve the platform, and may a pure one be pure."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.elf_writer import SharedObject, module
from tests.unit.pipeline_harness import pack_wheel

from wheelyard_agent import repair
from wheelyard_agent.audit import GraftRules
from wheelyard_agent.job import JobError
from wheelyard_agent.repair import _check_policy, audit_readable, check_purity, graft_libraries

WANTED = "manylinux_2_36_x86_64"


def audit(tag: str) -> dict[str, Any]:
    return {"overall_tag": tag, "versioned_symbols": {"libc.so.6": ["GLIBC_2.9", "GLIBC_2.38", "GLIBC_2.4"]}}


@pytest.mark.parametrize("tag", ["manylinux_2_5_x86_64", "manylinux_2_17_x86_64", WANTED])
def test_wheel_that_needs_no_newer_glibc_serves(tag: str) -> None:
    _check_policy(audit(tag), WANTED)


@pytest.mark.parametrize(
    "tag", ["manylinux_2_37_x86_64", "manylinux_3_0_x86_64", "linux_x86_64", "musllinux_1_2_x86_64"]
)
def test_wheel_that_needs_more_is_refused_with_the_newest_symbol(tag: str) -> None:
    with pytest.raises(JobError) as caught:
        _check_policy(audit(tag), WANTED)
    assert (caught.value.code, caught.value.details) == (
        "repair-failed",
        {"reason": f"it needs GLIBC_2.38 of libc.so.6 ({tag})"},
    )


def test_wheel_without_symbols_is_refused_in_words() -> None:
    with pytest.raises(JobError) as caught:
        _check_policy({"overall_tag": "linux_x86_64", "versioned_symbols": {}}, WANTED)
    assert caught.value.details["reason"] == "it needs libraries outside the policy (linux_x86_64)"


LOST = Path("demo-1.0-cp313-cp313-linux_x86_64.whl")


def test_pure_wheel_is_left_alone() -> None:
    assert check_purity(Path("demo-1.0-py3-none-any.whl"), ["demo._c"], may_be_pure=False) == []


@pytest.mark.parametrize(
    ("names", "missing", "evidence"),
    [
        (["demo._c"], ["demo._c"], ["It has no native file, though its tag is cp313-cp313-linux_x86_64."]),
        ([], ["any native file, though its tag is cp313-cp313-linux_x86_64"], []),
    ],
)
def test_wheel_that_claims_a_platform_and_holds_nothing_native_has_lost_its_extension(
    names: list[str], missing: list[str], evidence: list[str]
) -> None:
    with pytest.raises(JobError) as caught:
        check_purity(LOST, names, may_be_pure=False)
    assert (caught.value.code, caught.value.details) == (
        "extension-missing",
        {"missing": missing, "evidence": evidence},
    )


def test_wheel_that_may_be_pure_loses_its_claim_instead() -> None:
    assert check_purity(LOST, ["demo._c"], may_be_pure=True) == ["--abi-tag", "none", "--platform-tag", "any"]


NATIVE = "demo-1.0-cp313-cp313-linux_x86_64.whl"


def wheel_in(folder: Path, **members: bytes) -> Path:
    path = folder / NATIVE
    path.write_bytes(pack_wheel(NATIVE, members))
    return path


def stub_audit(monkeypatch: pytest.MonkeyPatch, unreadable: dict[str, str]) -> list[GraftRules]:
    """Let auditwheel fail until it ignores the files that cannot be read."""
    asked: list[GraftRules] = []

    def audit_wheel(wheel: Path, *, rules: GraftRules, env: dict[str, str]) -> dict[str, Any]:
        del wheel, env
        asked.append(rules)
        if set(unreadable) - set(rules.ignored):
            raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")
        return audit(WANTED)

    monkeypatch.setattr(repair, "audit_wheel", audit_wheel)
    monkeypatch.setattr(repair, "find_unreadable", lambda *_: unreadable)
    return asked


def test_file_that_nothing_loads_and_nobody_can_read_is_left_out_of_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheel_in(tmp_path, **{"demo/_c.abi3.so": module("_c"), "demo/_c.debug": module("_c")})
    stub_audit(monkeypatch, {"demo/_c.debug": "its sections cannot be read"})
    rules, found = audit_readable(wheel, GraftRules(exclude=["libcuda.so.1"]), {})
    assert (rules.exclude, rules.ignored, found) == (["libcuda.so.1"], ("demo/_c.debug",), audit(WANTED))


def test_module_that_nobody_can_read_is_corrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # strip --remove-section=.dynstr takes the entry point's name too
    name = "demo/_c.cpython-313-x86_64-linux-gnu.so"
    stub_audit(monkeypatch, {name: "its sections cannot be read"})
    with pytest.raises(JobError) as caught:
        audit_readable(wheel_in(tmp_path, **{name: SharedObject().bytes()}), GraftRules(), {})
    (lie,) = caught.value.details["lies"]
    assert (caught.value.code, lie["kind"], lie["subject"]) == ("wheel-claims-false", "elf-corrupt", name)


def test_audit_that_fails_for_another_reason_stays_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise JobError("repair-failed", reason="auditwheel could not audit it, see the log")

    stub_audit(monkeypatch, {})
    monkeypatch.setattr(repair, "audit_wheel", fails)
    with pytest.raises(JobError, match="repair-failed"):
        audit_readable(wheel_in(tmp_path, **{"demo/_c.abi3.so": module("_c")}), GraftRules(), {})


@pytest.mark.parametrize(("graft", "blamed"), [([], ["libgone.so.2"]), (["libz.so.*"], ["libgone.so.2", "libz.so.1"])])
def test_failed_graft_blames_no_library_that_a_policy_promises_unless_it_was_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graft: list[str], blamed: list[str]
) -> None:
    class Policies:
        promised = frozenset({"libc.so.6", "libz.so.1"})

        def __init__(self, platform: str) -> None:
            assert platform == "linux_x86_64"

    monkeypatch.setattr(repair, "Policies", Policies)
    monkeypatch.setattr(repair, "run", lambda *_, **__: 1)
    monkeypatch.setattr(repair, "read_linkage", lambda *_: {})
    external = {"libgone.so.2": None, "libz.so.1": None, "libyaml.so.0": "/lib/libyaml.so.0"}
    found = {"overall_tag": "linux_x86_64", "external_libs": external, "versioned_symbols": {}}
    wheel = wheel_in(tmp_path, **{"demo/_c.abi3.so": module("_c")})
    with pytest.raises(JobError) as caught:
        graft_libraries(wheel, found, GraftRules(graft=graft), tmp_path / "out", {})
    assert [lie["subject"] for lie in caught.value.details["lies"]] == blamed
