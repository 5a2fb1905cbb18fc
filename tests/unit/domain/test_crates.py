"""Which crates are fetched for a project, what of its manifests reaches cargo, and what is refused."""

import json
import tomllib
from collections import Counter
from fnmatch import fnmatchcase

import pytest

from wheelyard.domain.rust import crates
from wheelyard.domain.rust.cargo_manifest import OWN_REGISTRY, Manifest, check_lock, read_manifest
from wheelyard.domain.rust.crates import CratePlan, plan_crates

PACKAGE = '[package]\nname = "a"\nversion = "1.0.0"\nedition = "2021"\n'
REGISTRY = OWN_REGISTRY[0]


def lock(source: str = REGISTRY, *, checksum: str = '\nchecksum = "00"') -> str:
    return f'version = 4\n[[package]]\nname = "itoa"\nversion = "1.0.0"\nsource = "{source}"{checksum}\n'


def texts_of(plan: CratePlan) -> dict[str, str]:
    return dict(plan.files)


def test_what_would_run_code_does_not_reach_cargo() -> None:
    text = f"""
    cargo-features = ["metabuild"]
    {PACKAGE}
    build = "build.rs"
    links = "z"
    metabuild = ["evil"]
    [lib]
    proc-macro = true
    path = "elsewhere.rs"
    [profile.release]
    lto = "fat"
    [dependencies]
    itoa = {{ version = "1", features = ["std"], default-features = false, artifact = "bin" }}
    """
    written = tomllib.loads(read_manifest(text).text())
    assert set(written) == {"package", "dependencies"}
    assert written["package"]["build"] is False
    assert not {"links", "metabuild"} & set(written["package"])
    assert written["dependencies"] == {"itoa": {"version": "1", "features": ["std"], "default-features": False}}


def test_everything_that_decides_the_crates_reaches_cargo() -> None:
    text = f"""
    {PACKAGE}
    [features]
    default = ["fast"]
    fast = ["dep:ryu"]
    [dependencies]
    ryu = {{ version = "1", optional = true }}
    "quoted.\\u007f" = "2"
    [dev-dependencies]
    one = "1"
    [build-dependencies]
    cc = {{ workspace = true }}
    [target.'cfg(unix)'.dependencies]
    libc = "0.2"
    [workspace]
    members = ["b"]
    [workspace.package]
    version = "3.0.0"
    authors = ["nobody"]
    [workspace.dependencies]
    cc = "1"
    """
    written = tomllib.loads(read_manifest(text).text())
    assert written["features"] == {"default": ["fast"], "fast": ["dep:ryu"]}
    assert written["dependencies"] == {"ryu": {"version": "1", "optional": True}, "quoted.\x7f": "2"}
    assert written["target"] == {"cfg(unix)": {"dependencies": {"libc": "0.2"}}}
    assert written["workspace"] == {"members": ["b"], "package": {"version": "3.0.0"}, "dependencies": {"cc": "1"}}
    assert (written["dev-dependencies"], written["build-dependencies"]) == ({"one": "1"}, {"cc": {"workspace": True}})


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ('[dependencies]\na = { git = "https://git.test/a" }', "a is taken from a git repository (https://git.test/a)"),
        ('[dev-dependencies.a]\ngit = "x"\nversion = "1"', "a is taken from a git repository"),
        ("[target.x.build-dependencies]\na = { git = 'x' }", "a is taken from a git repository"),
        ("[workspace.dependencies]\na = { git = 'x' }", "a is taken from a git repository"),
        ('[dependencies]\na = { version = "1", registry = "ours" }', "a is taken from another registry"),
        ("[dependencies]\na = { registry-index = 'sparse+http://10.0.0.1/' }", "a is taken from another registry"),
        ("[patch.crates-io]\na = { git = 'x' }", "it patches a with something that is not a folder"),
        ('[replace]\n"a:1.0.0" = { git = "x" }', "it replaces crates"),
        ("[dependencies]\na = 1", "a is not a table"),
        ("dependencies = 1", "dependencies is not a table"),
    ],
)
def test_manifest_that_needs_what_may_not_be_fetched_is_refused(tables: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^Cargo\.toml: ") as caught:
        plan_crates({"Cargo.toml": tables})
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lock("git+https://git.test/itoa#0123"), "itoa is taken from a git repository"),
        (lock(checksum=""), "itoa 1.0.0 has no checksum"),
        (
            lock("registry+https://registry.test/index"),
            "itoa is taken from another registry (registry+https://registry",
        ),
        (lock("sparse+http://10.0.0.1/"), "itoa is taken from another registry (sparse+http://10.0.0.1/)"),
        (lock(OWN_REGISTRY[1].rstrip("/") + "@10.0.0.1/"), "itoa is taken from another registry"),
        (lock(REGISTRY + "/../../evil"), "itoa is taken from another registry"),
        (lock("local-registry+file:///etc"), "itoa is taken from another registry (local-registry+file:///etc)"),
        (
            lock() + lock("sparse+https://other.test/").removeprefix("version = 4\n"),
            "itoa is taken from another registry",
        ),
        (lock("sparse+http://10.0.0.1/").replace("[[package]]", "[root]"), "itoa is taken from another registry"),
        (lock("git+http://10.0.0.1/").replace("[[package]]", "[[patch.unused]]"), "itoa is taken from a git"),
        ("package = 1", "its packages are not a list"),
        ("[patch]\nunused = 1", "its packages are not a list"),
        ("root = 1", "package is not a table"),
        ("[[package]]\nname = 'a'\nsource = ['x']", "a is taken from"),
    ],
)
def test_lock_that_names_other_sources_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^Cargo\.lock: ") as caught:
        plan_crates({"Cargo.toml": PACKAGE, "Cargo.lock": text})
    assert reason in str(caught.value)


@pytest.mark.parametrize("source", OWN_REGISTRY)
def test_lock_of_cargos_own_registry_is_taken(source: str) -> None:
    check_lock(lock(source))


def test_old_lock_has_its_checksums_in_a_table_of_their_own() -> None:
    check_lock(lock(checksum="") + f'[metadata]\n"checksum itoa 1.0.0 ({REGISTRY})" = "00"\n')


@pytest.mark.parametrize("path", ["../Cargo.toml", "/Cargo.toml", "a//Cargo.toml", "a/../Cargo.toml", "config.toml"])
def test_path_that_no_sdist_can_have_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not the path of a Cargo manifest"):
        plan_crates({path: PACKAGE})


def test_too_many_manifests_are_refused() -> None:
    with pytest.raises(ValueError, match="501 Cargo manifests, and 500 are allowed"):
        plan_crates({f"{number}/Cargo.toml": PACKAGE for number in range(501)})


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("../outside", "outside of the sdist"), ("/etc", "outside of the sdist"), ("gone", "the sdist does not have")],
)
def test_dependency_by_path_stays_in_the_sdist(folder: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        plan_crates({"Cargo.toml": f'{PACKAGE}[dependencies]\nb = {{ path = "{folder}" }}'})


def test_workspace_is_followed_and_other_manifests_are_not_read() -> None:
    plan = plan_crates(
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nexclude = ["crates/left-out"]',
            "Cargo.lock": lock(),
            "crates/a/Cargo.toml": f'{PACKAGE}[dependencies]\nshared = {{ path = "../../shared" }}',
            "crates/left-out/Cargo.toml": "[dependencies]\nx = { git = 'x' }",
            "shared/Cargo.toml": PACKAGE,
            "tests/fixture/Cargo.toml": "this is { not TOML",
        }
    )
    assert plan.roots == ("Cargo.toml",)
    assert plan.packages == ("crates/a", "shared")
    assert set(texts_of(plan)) == {"Cargo.toml", "Cargo.lock", "crates/a/Cargo.toml", "shared/Cargo.toml"}
    assert plan.unlocked == ()


def test_crate_that_a_workspace_offers_and_no_member_takes_may_be_absent() -> None:
    root = '[workspace]\nmembers = ["a"]\n[workspace.dependencies]\nb = { path = "b" }\ngone = { path = "gone" }\n'
    taking = f"{PACKAGE}[dependencies]\nb = {{ workspace = true }}\n"
    plan = plan_crates({"Cargo.toml": root, "Cargo.lock": lock(), "a/Cargo.toml": taking, "b/Cargo.toml": PACKAGE})
    assert plan.packages == ("a", "b")
    with pytest.raises(ValueError, match="outside of the sdist"):
        plan_crates({"Cargo.toml": root.replace('"gone"', '"../gone"'), "a/Cargo.toml": PACKAGE})


@pytest.mark.parametrize(
    ("paths", "named", "roots"),
    [
        (["src/a/Cargo.toml", "src/a/Cargo.lock", "x/Cargo.toml"], [], ["src/a/Cargo.toml"]),
        (["rust/Cargo.toml", "rust/deep/Cargo.toml"], [], ["rust/Cargo.toml"]),
        (["Cargo.toml", "native/Cargo.toml"], ["native/Cargo.toml"], ["native/Cargo.toml"]),
        (["Cargo.toml", "Cargo.lock", "native/Cargo.toml"], ["native/Cargo.toml"], ["Cargo.toml"]),
        (["Cargo.toml", "fixture/Cargo.toml", "fixture/Cargo.lock"], [], ["Cargo.toml"]),
        (["Cargo.toml"], ["gone/Cargo.toml"], ["Cargo.toml"]),
    ],
)
def test_roots_are_what_the_backend_builds(paths: list[str], named: list[str], roots: list[str]) -> None:
    files = {path: lock() if path.endswith("lock") else PACKAGE for path in paths}
    assert list(plan_crates(files, named=named).roots) == roots


def test_key_changes_with_manifest_lock_and_image_only() -> None:
    texts = {"Cargo.toml": PACKAGE, "Cargo.lock": lock()}
    plan = plan_crates(texts)
    assert plan.key(image="one") == plan_crates({**texts, "Cargo.toml": f"# a comment\n{PACKAGE}"}).key(image="one")
    others = [
        plan.key(image="two"),
        plan_crates({**texts, "Cargo.lock": lock(checksum='\nchecksum = "01"')}).key(image="one"),
        plan_crates({**texts, "Cargo.toml": f'{PACKAGE}[dependencies]\nitoa = "1"'}).key(image="one"),
    ]
    assert len({plan.key(image="one"), *others}) == 4


def workspace(*members: str, rest: str = "") -> str:
    return f"{PACKAGE}[workspace]\nmembers = {json.dumps(members)}\n{rest}"


def test_members_are_found_by_name_and_by_pattern_and_not_where_they_are_excluded() -> None:
    texts = {f"{name}/Cargo.toml": PACKAGE for name in ("a", "crates/b", "crates/c", "crates/d/e", "other", "x[1]")}
    text = workspace("a", "crates/*", "nowhere", "./x[1]", rest='exclude = ["crates/c"]')
    plan = plan_crates({"Cargo.toml": text, **texts})
    assert set(texts_of(plan)) == {"Cargo.toml", "a/Cargo.toml", "crates/b/Cargo.toml"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (workspace(*(f"{n}/*" for n in range(51))), "more than 50 patterns"),
        (workspace(*(f"member-{n}" for n in range(1001))), "names 1001 folders"),
        (workspace(rest=f"exclude = {json.dumps([str(n) for n in range(1001)])}"), "names 1001 folders"),
        (workspace("a/" * 300), "folder of 600 characters"),
        (workspace("*" * 500), "folder of 500 characters"),
        (
            "[dependencies]\n" + "".join(f'd{n} = {{ path = "d{n}" }}\n' for n in range(1001)),
            "names 1001 folders",
        ),
    ],
    ids=["patterns", "members", "excluded", "long member", "long pattern", "paths"],
)
def test_manifest_that_names_more_than_any_project_does_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"Cargo.toml: .*{reason}|{reason}"):
        plan_crates({"Cargo.toml": text})


def test_patterns_of_all_workspaces_together_are_limited() -> None:
    names = [f"w{n}" for n in range(60)]
    texts = {f"{name}/Cargo.toml": workspace("../*") for name in names}
    texts["Cargo.toml"] = workspace(*names)
    with pytest.raises(ValueError, match="more than 50 patterns"):
        plan_crates(texts)


def test_each_manifest_is_read_once_and_each_pattern_is_compared_once_with_each_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, compared = Counter[str](), Counter[str]()

    def read_and_count(text: str) -> Manifest:
        read.update(["manifests"])
        return read_manifest(text)

    def compare_and_count(name: str, pattern: str) -> bool:
        compared.update(["parts"])
        return fnmatchcase(name, pattern)

    monkeypatch.setattr(crates, "read_manifest", read_and_count)
    monkeypatch.setattr(crates, "fnmatchcase", compare_and_count)
    names = [f"crates/member-{n}/deep/er" for n in range(400)]
    texts = {f"{name}/Cargo.toml": PACKAGE + 'root = { path = "../../../.." }' for name in names}
    texts["Cargo.toml"] = workspace(*names, *(f"*/*{n}*/*/*" for n in range(50)))
    plan = plan_crates(texts, named=[f"{name}/Cargo.toml" for name in names] * 50)
    assert len(plan.files) == 401
    assert read.total() == 401
    assert compared.total() <= 50 * 401 * 4
