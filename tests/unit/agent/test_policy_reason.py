"""Why a wheel has its policy: decided on auditwheel's report and on what its native files ask for."""

from typing import Any

from wheelyard_agent.linkage import Linkage
from wheelyard_agent.policy_reason import NativeFiles, explain_policy

POLICIES = ("linux_x86_64", "manylinux_2_36_x86_64", "manylinux_2_17_x86_64", "manylinux_2_5_x86_64")
ALLOWED = {"GLIBC_2.34": POLICIES[1], "GLIBC_2.14": POLICIES[2], "GLIBC_2.2.5": POLICIES[3], "ZLIB_1.2": POLICIES[3]}
EXT = "demo/_c.cpython-313-x86_64-linux-gnu.so"
LIB_A, LIB_B = "demo.libs/liba-1a2b3c4d.so.1", "demo.libs/libb-1a2b3c4d.so.2.0"


def linkage(*needed: str, soname: str | None = None, **versions: tuple[str, ...]) -> Linkage:
    found = {("libc.so.6", name.replace("V", "GLIBC_").replace("_x_", ".")): names for name, names in versions.items()}
    return Linkage(soname, ("libc.so.6", *needed), found)


def chained() -> NativeFiles:
    facts = {
        EXT: linkage("liba-1a2b3c4d.so.1", V2_x_14=("memcpy",)),
        LIB_A: linkage("libb-1a2b3c4d.so.2.0", soname="liba-1a2b3c4d.so.1", V2_x_2_x_5=("free",)),
        LIB_B: linkage(soname="libb-1a2b3c4d.so.2.0", V2_x_34=("pthread_join",)),
    }
    return NativeFiles(facts, {LIB_A: "liba.so.1", LIB_B: "libb.so.2"})


def audit(overall: str, *, symbols: str | None = None, **upgrades: dict[str, Any]) -> dict[str, Any]:
    return {"overall_tag": overall, "sym_tag": symbols or overall, "policy_upgrades": upgrades}


def explain(facts: dict[str, Any], files: NativeFiles) -> dict[str, Any]:
    return explain_policy(facts, files, policies=POLICIES, of_version=lambda _library, version: ALLOWED[version])


def test_grafted_library_that_sets_the_policy_is_named_with_its_chain() -> None:
    reason = explain(audit(POLICIES[1]), chained())
    assert reason["needs"] == [
        {
            "file": LIB_B,
            "grafted": "libb.so.2",
            "library": "libc.so.6",
            "version": "GLIBC_2.34",
            "symbols": ["pthread_join"],
            "more_symbols": 0,
            "chain": [EXT, "liba.so.1", "libb.so.2"],
        }
    ]
    assert (reason["policy"], reason["more_needs"], reason["lower"]) == (POLICIES[1], 0, POLICIES[2])


def test_extension_that_sets_the_policy_is_its_own_chain() -> None:
    files = NativeFiles({EXT: linkage(V2_x_14=("memcpy",), V2_x_2_x_5=("free",))}, {})
    reason = explain(audit(POLICIES[2]), files)
    assert [(need["file"], need["version"], need["chain"]) for need in reason["needs"]] == [(EXT, "GLIBC_2.14", [EXT])]
    assert reason["lower"] == POLICIES[3]


def test_symbols_beyond_ten_are_counted() -> None:
    symbols = tuple(f"symbol_{number:02}" for number in range(25))
    (need,) = explain(audit(POLICIES[2]), NativeFiles({EXT: linkage(V2_x_14=symbols)}, {}))["needs"]
    assert (need["symbols"], need["more_symbols"]) == (list(symbols[:10]), 15)


def test_most_portable_policy_has_no_needs() -> None:
    reason = explain(audit(POLICIES[3]), NativeFiles({EXT: linkage(V2_x_2_x_5=("free",))}, {}))
    assert (reason["needs"], reason["lower"]) == ([], None)


def test_projects_own_files_come_before_grafted_ones() -> None:
    files = NativeFiles(
        {"a.libs/liba.so": linkage(V2_x_14=("memcpy",)), EXT: linkage("liba.so", V2_x_14=("memcpy",))},
        {"a.libs/liba.so": "liba.so"},
    )
    assert [need["file"] for need in explain(audit(POLICIES[2]), files)["needs"]] == [EXT, "a.libs/liba.so"]


def test_library_that_a_policy_does_not_promise_sets_it() -> None:
    files = NativeFiles({EXT: linkage("libmvec.so.1", V2_x_2_x_5=("free",))}, {})
    upgrade = {"libs_to_eliminate": ["libmvec.so.1"]}
    reason = explain(audit(POLICIES[1], symbols=POLICIES[3], **dict.fromkeys(POLICIES[2:], upgrade)), files)
    assert [(need["library"], need["version"], need["symbols"]) for need in reason["needs"]] == [
        ("libmvec.so.1", None, [])
    ]
    assert reason["lower"] == POLICIES[3]


def test_symbol_that_a_policy_forbids_sets_it() -> None:
    files = NativeFiles({EXT: linkage("libz.so.1", V2_x_2_x_5=("free",))}, {})
    upgrade = {"blacklisted_symbols": {"libz.so.1": ["_dist_code"]}}
    reason = explain(audit(POLICIES[2], symbols=POLICIES[3], manylinux_2_5_x86_64=upgrade), files)
    assert [(need["library"], need["symbols"]) for need in reason["needs"]] == [("libz.so.1", ["_dist_code"])]


def test_better_policy_that_a_library_forbids_is_not_promised() -> None:
    files = NativeFiles({EXT: linkage("libx.so", V2_x_14=("memcpy",))}, {})
    upgrade = {"libs_to_eliminate": ["libx.so"]}
    assert explain(audit(POLICIES[2], manylinux_2_5_x86_64=upgrade), files)["lower"] is None


def test_symbols_of_the_loader_do_not_count() -> None:
    facts = Linkage(None, (), {("ld-linux-x86-64.so.2", "GLIBC_2.34"): ("__tls_get_addr",)})
    assert explain(audit(POLICIES[1]), NativeFiles({EXT: facts}, {}))["needs"] == []


def test_needs_beyond_the_limit_are_counted() -> None:
    facts = {f"demo/_c{number}.so": linkage(V2_x_14=("memcpy",)) for number in range(25)}
    reason = explain(audit(POLICIES[2]), NativeFiles(facts, {}))
    assert (len(reason["needs"]), reason["more_needs"]) == (20, 5)


def test_needers_of_a_library_are_named() -> None:
    assert chained().needed_by(LIB_B) == ["liba.so.1"]
    assert chained().needed_by(LIB_A) == [EXT]


def test_libraries_that_ask_for_each_other_have_a_chain() -> None:
    files = NativeFiles(
        {EXT: linkage("a.so"), "d.libs/a.so": linkage("b.so"), "d.libs/b.so": linkage("a.so")},
        {"d.libs/a.so": "a.so", "d.libs/b.so": "b.so"},
    )
    assert files.chain("d.libs/b.so") == [EXT, "a.so", "b.so"]


def test_library_that_nothing_asks_for_is_its_own_chain() -> None:
    files = NativeFiles({EXT: linkage(), LIB_A: linkage()}, {LIB_A: "liba.so.1"})
    assert files.chain(LIB_A) == ["liba.so.1"]
