"""The command line for whoever writes recipes: lint and explain."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fakes.sources import MemorySourceIndex
from tests.unit.request_harness import make_sdist

from wheelyard.cli.app import run
from wheelyard.cli.problem import ExitCode
from wheelyard.resources import data_path
from wheelyard.settings import Settings

BROKEN = "schema = 1\nname = 'demo'\n[[rule]]\natp = ['libdemo-dev']\nlimits.time = '2'\n"
RECIPE = """\
schema = 1
name = "demo"
[[rule]]
apt = ["liba-dev"]
env.CC = "gcc"
[[rule]]
when = { suite = ["trixie"] }
apt = ["libb-dev"]
[[rule]]
when = { version = ">=2" }
env.CC = "clang"
"""


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))


def run_here(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> tuple[int, str, str]:
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_lint_tells_every_problem_as_editors_jump_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "demo.toml"
    file.write_text(BROKEN)
    code, out, err = run_here(capsys, ["recipe", "lint", str(file)])
    assert code == ExitCode.RECIPE
    assert out.splitlines() == [
        f"{file}:4: rule 1, atp: unknown key, did you mean 'apt'?",
        f"{file}:5: rule 1, limits.time: '2' is not a time, such as '2h', '1h30min' or '90s'",
    ]
    assert "1 recipes, 1 with problems" in err


def test_lint_finds_what_never_has_an_effect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    (folder / "patches").mkdir(parents=True)
    (folder / "patches" / "forgotten.patch").write_text("")
    (folder / "recipe.toml").write_text("schema = 1\nname = 'demo'\n[[rule]]\nwhen.suite = ['bookworm']\n")
    for path in (tmp_path, folder, folder / "recipe.toml"):
        code, out, _ = run_here(capsys, ["recipe", "lint", str(path)])
        assert code == ExitCode.RECIPE
        assert out.splitlines() == [
            f"{folder}/recipe.toml: no rule names the file patches/forgotten.patch",
        ]


def test_lint_knows_the_suites_of_the_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "demo.toml"
    file.write_text("schema = 1\nname = 'demo'\n[[rule]]\nwhen.suite = ['bookwrom']\n")
    code, out, _ = run_here(capsys, ["recipe", "lint", str(file)])
    assert code == ExitCode.RECIPE
    assert out == f"{file}:4: rule 1, when.suite 1: there is no suite 'bookwrom', did you mean 'bookworm'?\n"


def test_lint_of_every_recipe_that_the_service_uses_includes_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run_here(capsys, ["recipe", "lint"])
    assert (code, out) == (ExitCode.OK, "")
    assert "no problems" in err
    (tmp_path / "demo.toml").write_text(BROKEN)
    monkeypatch.setenv("WHEELYARD_RECIPES", json.dumps([str(tmp_path)]))
    code, out, _ = run_here(capsys, ["recipe", "lint", "--json"])
    assert code == ExitCode.RECIPE
    assert [(problem["line"], problem["key"]) for problem in json.loads(out)] == [
        (4, "rule 1, atp"),
        (5, "rule 1, limits.time"),
    ]


def test_lint_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_here(capsys, ["recipe", "lint", str(tmp_path / "not-there")])
    assert code == ExitCode.CALLER
    assert "not-there" in err


def test_explain_says_which_key_came_from_which_rule_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo.toml").write_text(RECIPE)
    code, out, _ = run_here(capsys, ["recipe", "explain", "Demo==2.1", "--recipes", str(tmp_path)])
    assert code == ExitCode.OK
    first, *lines = out.splitlines()
    assert first == f"{tmp_path}/demo.toml for demo 2.1, Python 3.13 on manylinux_2_36_x86_64, built on bookworm"
    assert [line.split() for line in lines] == [
        ["KEY", "VALUE", "RULE", "LINE"],
        ["apt", "liba-dev", "1", "4"],
        ["env.CC", "gcc", "1", "5", "overridden", "by", "a", "later", "rule"],
        ["env.CC", "clang", "3", "11"],
        ["rule", "2", "in", "line", "6", "does", "not", "apply:", "when.suite"],
    ]


def test_explain_goes_by_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo.toml").write_text(RECIPE)
    target = ["--python", "3.11", "--platform", "manylinux_2_41_x86_64"]
    command = ["recipe", "explain", "demo==1.0", *target, "--recipes", str(tmp_path), "--json"]
    code, out, _ = run_here(capsys, command)
    document = json.loads(out)
    assert code == ExitCode.OK
    assert (document["suite"], document["python"], document["platform"]) == ("trixie", "3.11", "manylinux_2_41_x86_64")
    assert [(one["key"], one["value"], one["rule"]) for one in document["keys"]] == [
        ("apt", "liba-dev", 1),
        ("env.CC", "gcc", 1),
        ("apt", "libb-dev", 2),
    ]
    assert document["skipped"] == [{"rule": 3, "line": 9, "mismatches": ["version"]}]


class Upstream:
    """An upstream index in memory, opened as the real one is."""

    def __init__(self, folder: Path) -> None:
        self.source = MemorySourceIndex(folder)

    @asynccontextmanager
    async def open(self, _: Settings) -> AsyncIterator[MemorySourceIndex]:
        yield self.source


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySourceIndex:
    made = Upstream(tmp_path / "cache")
    monkeypatch.setattr("wheelyard.cli.recipes.source_index", made.open)
    return made.source


@pytest.mark.parametrize(("release", "version"), [("demo", "2.1"), ("demo<2", "1.9"), ("Demo==1.*", "1.9")])
def test_explain_without_a_version_takes_the_newest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: MemorySourceIndex, release: str, version: str
) -> None:
    for number in ("1.9", "1.10a1", "2.1"):
        upstream.add(f"demo-{number}.tar.gz", b"sdist")
    (tmp_path / "demo.toml").write_text(RECIPE)
    code, out, _ = run_here(capsys, ["recipe", "explain", release, "--recipes", str(tmp_path), "--json"])
    assert (code, json.loads(out)["version"]) == (ExitCode.OK, version)


def test_draft_names_a_schema_that_any_machine_has_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: MemorySourceIndex
) -> None:
    upstream.add("demo-1.0.tar.gz", make_sdist("demo-1.0"))
    code, out, _ = run_here(capsys, ["recipe", "new", "demo"])
    assert (code, out.splitlines()[0]) == (ExitCode.OK, "#:schema recipe.schema.json")
    file = tmp_path / "mine" / "demo.toml"
    code, _, err = run_here(capsys, ["recipe", "new", "demo", "--output", str(file)])
    assert code == ExitCode.OK
    assert file.read_text().startswith("#:schema recipe.schema.json\n")
    schema = file.parent / "recipe.schema.json"
    assert schema.read_bytes() == (data_path("recipes") / "recipe.schema.json").read_bytes()
    assert str(schema) in "".join(err.split())
    schema.write_text("{}")
    assert run_here(capsys, ["recipe", "new", "demo", "--output", str(file.parent / "demo2.toml")])[0] == ExitCode.OK
    assert schema.read_text() == "{}", "what is there stays"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pyyaml @ https://x"], ExitCode.CALLER, "it is a URL"),
        (["no-such-recipe==1"], ExitCode.CALLER, "There is no recipe 'no-such-recipe' here"),
        (["pyyaml==6.0.3", "--platform", "win32"], ExitCode.CALLER, "No builder serves"),
    ],
)
def test_explain_of_what_cannot_be_explained_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitCode, said: str
) -> None:
    found, _, err = run_here(capsys, ["recipe", "explain", *arguments])
    assert found == code
    assert said in err
