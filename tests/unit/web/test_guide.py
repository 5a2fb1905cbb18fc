"""The guide: built without a warning, served under a strict policy, and without a word to a third party."""

import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from tests.unit.api_harness import api_harness
from tools.build_guide import PAGES_ELSEWHERE, ROOT, GuideHook, build_guide

from wheelyard.web import guide as module

INPUTS = ("docs", "zensical.toml", *PAGES_ELSEWHERE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand for a clone: links to what the guide is built from."""
    root = tmp_path_factory.mktemp("project")
    for name in INPUTS:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.fixture(scope="module")
def archive(project: Path) -> Path:
    return build_guide(project)


@pytest.fixture(scope="module")
def guide(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the guide, to look at its files."""
    folder = tmp_path_factory.mktemp("guide")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture
async def client(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(module, "data_path", lambda _: archive)
    async with api_harness(tmp_path) as harness:
        yield harness.client


class _Loads(HTMLParser):
    """Collects what a browser loads for a page by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in {"prev", "next", "canonical"}:
            self.addresses.append(given.get("href") or "")
        if tag in {"script", "img", "iframe", "source"} and "src" in given:
            self.addresses.append(given["src"] or "")
        assert not {name for name in given if name.startswith("on")}, "the policy runs no handlers of elements"
        assert "style" not in given, given


def test_page_loads_nothing_from_elsewhere(guide: Path) -> None:
    pages = list(guide.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        loads = _Loads()
        loads.feed(page.read_text())
        assert loads.addresses
        for address in loads.addresses:
            assert not re.match(r"(?:https?:)?//", address), (page, address)
            assert address.startswith("data:") or (page.parent / address.partition("?")[0]).exists(), (page, address)


@pytest.mark.parametrize("dead", ["[nothing](nowhere.md)", "[no part](glossary.md#nothing-of-it)"])
def test_dead_link_ends_the_build(tmp_path: Path, dead: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    for name, text in {"index.md": f"# Start\n\n{dead}\n", "glossary.md": "# Glossary\n"}.items():
        (tmp_path / "docs" / name).write_text(text)
    for name in PAGES_ELSEWHERE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# A page\n")
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "A"\nsite_dir = "guide"\n')
    with pytest.raises(subprocess.CalledProcessError):
        build_guide(tmp_path)
    assert "does not exist" in "".join(capfd.readouterr())
    assert not (tmp_path / "guide.zip").exists()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("settings/", "text/html; charset=utf-8"),
        ("search.json", "application/json"),
    ],
)
async def test_guide_is_served_with_the_right_types(client: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await client.get(f"/guide/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


async def test_scripts_styles_and_pages_without_a_slash(client: httpx.AsyncClient) -> None:
    page = (await client.get("/guide/")).text
    (script,) = re.findall(r'<script src="([^"]+)"', page)
    style = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)[0]
    assert "javascript" in (await client.get(f"/guide/{script}")).headers["content-type"]
    assert (await client.get(f"/guide/{style}")).headers["content-type"].startswith("text/css")
    moved = await client.get("/guide/settings")
    assert (moved.status_code, moved.url.join(moved.headers["location"]).path) == (307, "/guide/settings/")
    again = await client.get("/guide/", headers={"If-None-Match": (await client.get("/guide/")).headers["etag"]})
    assert again.status_code == 304


async def test_policy_lets_the_scripts_of_a_page_run_and_no_other(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/guide/settings/")).headers["content-security-policy"]
    script_rule = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
    assert script_rule.count("'sha256-") >= 1
    assert "unsafe" not in script_rule
    assert policy.startswith("default-src 'none'; ")
    other = (await client.get("/guide/")).headers["content-security-policy"]
    assert other != policy, "another page holds another script"


@pytest.mark.parametrize(
    "path",
    ["nothing/", "404.html", "../errors.py", "%2e%2e/%2e%2e/pyproject.toml", "..%2fpyproject.toml", "//etc/passwd"],
)
async def test_what_is_not_in_the_guide_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/guide/{path}")
    assert answer.status_code == 404
    assert "[build-system]" not in answer.text


async def test_guide_that_was_not_built_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "data_path", lambda _: tmp_path / "guide.zip")
    async with api_harness(tmp_path) as harness:
        answer = await harness.client.get("/guide/settings/")
    assert answer.status_code == 404
    assert "make guide" in answer.json()["detail"]


def repository_links() -> Iterator[tuple[Path, str]]:
    pages = [ROOT / "README.md", *(ROOT / name for name in PAGES_ELSEWHERE), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                yield page, target


def test_links_between_files_of_the_repository_lead_somewhere() -> None:
    links = list(repository_links())
    assert len(links) > 100
    assert [
        f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()
    ] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "zensical.toml").read_text()
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    pages |= set(PAGES_ELSEWHERE.values())
    missing = {page for page in pages if f'"{page}"' not in listed and not page.startswith("decisions/0")}
    assert missing == set()


def hook_of(root: Path, target: str = "wheel") -> GuideHook:
    """Make a hook as hatchling does, without the rest of hatchling."""
    return GuideHook(str(root), {}, None, None, "", target)  # type: ignore[arg-type]


def test_hook_puts_the_guide_into_a_wheel_and_leaves_it_in_a_clone(project: Path) -> None:
    hook = hook_of(project)
    built: dict[str, dict[str, str]] = {"force_include": {}}
    hook.initialize("editable", built)
    assert built == {"force_include": {}}
    assert (project / "guide.zip").is_file()
    first = (project / "guide.zip").read_bytes()
    hook.initialize("standard", built)
    assert built == {"force_include": {str(project / "guide.zip"): f"wheelyard/_data/{module.ARCHIVE}"}}
    assert (project / "guide.zip").read_bytes() == first, "the same pages are the same bytes"


@pytest.mark.parametrize("left", [True, False])
def test_wheel_is_built_without_the_tool_and_takes_the_guide_that_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    if left:
        (tmp_path / "guide.zip").touch()
    hook = hook_of(tmp_path)
    built: dict[str, dict[str, str]] = {"force_include": {}}
    hook.initialize("standard", built)
    assert list(built["force_include"]) == ([str(tmp_path / "guide.zip")] if left else [])


def test_hook_of_a_wheel_runs_without_the_programs_own_modules() -> None:
    """An isolated build has hatchling and zensical, and nothing of ours."""
    code = "import sys; sys.path.insert(0, 'tools'); import build_guide; print(build_guide.ARCHIVE)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{module.ARCHIVE}\n"


KNOWN = {
    *re.findall(r"^### `(WHEELYARD_[A-Z_]+)`$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE),
    *("WHEELYARD_SOURCE", "WHEELYARD_SECRETS_DIR", "WHEELYARD_ENV_FILE", "WHEELYARD_PUBLISH"),
}


def test_every_setting_that_a_page_names_exists() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`(WHEELYARD_[A-Z_]+[A-Z])", page.read_text())}
    assert len(named) > 20
    assert named - KNOWN == set()
