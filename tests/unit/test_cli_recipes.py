"""The command line for whoever writes recipes: lint and explain."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from wheelyard.cli.app import run
from wheelyard.cli.exit_codes import ExitCode

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
    assert "nothing is wrong" in err
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
        ["env.CC", "gcc", "1", "5", "another", "rule", "has", "the", "last", "word"],
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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["demo"], ExitCode.CALLER, "it must name one version here"),
        (["demo>=2"], ExitCode.CALLER, "it must name one version here"),
        (["demo==2.*"], ExitCode.CALLER, "it must name one version here"),
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
