"""No block of README and docs names a command or an option that there is not, and each is run or says why not."""

import re

import pytest
import typer
from tests.documented import ROOT, Block, Command, blocks

from wheelyard.cli.app import app

BLOCKS = blocks()
USAGE = "[OPTIONS]"


def block(text: str) -> Block:
    return Block(page="p.md", line=1, text=text, reason=None)


def parse(arguments: list[str]) -> None:
    """Parse a command line as the program does, and run nothing."""
    command = typer.main.get_command(app)
    while (commands := getattr(command, "commands", None)) is not None and arguments:
        assert arguments[0] in commands, f"there is no command {arguments[0]!r}"
        command, arguments = commands[arguments[0]], arguments[1:]
    command.make_context("wheelyard", arguments)


@pytest.mark.parametrize("one", BLOCKS, ids=lambda one: f"{one.page}:{one.line}")
def test_commands_of_a_block_exist_with_their_options(one: Block) -> None:
    for arguments in one.program_arguments():
        if arguments and USAGE not in arguments:
            parse(arguments)


def test_blocks_are_found_and_most_of_what_people_follow_is_run() -> None:
    assert len(BLOCKS) > 80
    tutorial = [one for one in BLOCKS if one.page.startswith(("README", "docs/tutorial/"))]
    assert len([one for one in tutorial if one.reason is None]) > len(tutorial) / 2


def test_reason_why_a_block_is_not_run_says_something_and_names_tests_that_exist() -> None:
    reasons = {one.reason for one in BLOCKS if one.reason is not None}
    assert [reason for reason in reasons if len(reason.split()) < 3] == []
    named = {name for reason in reasons for name in re.findall(r"tests/\S+\.py", reason)}
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize(
    "text", ["$ wheelyard biuld six\n", "$ true | wheelyard builds --statsu failed\n", "wheelyard up x"]
)
def test_block_that_names_what_there_is_not_is_found(text: str) -> None:
    (arguments,) = block(text).program_arguments()
    with pytest.raises((AssertionError, Exception), match=r"no command|No such option|[Uu]nexpected"):
        parse(arguments)


def test_calls_are_found_wherever_they_are() -> None:
    text = """$ for x in a; do wheelyard build "$x" --wait; done   # wheelyard of a comment
$ A=1 wheelyard up
$ export T=$(wheelyard token create ci)
$ docker compose exec api wheelyard backup /x >log
$ useradd --groups docker wheelyard
$ /opt/bin/wheelyard doctor
"""
    assert list(block(text).program_arguments()) == [
        ["build", "$x", "--wait"],
        ["up"],
        ["token", "create", "ci"],
        ["backup", "/x"],
        ["doctor"],
    ]


def test_commands_are_told_from_what_they_print() -> None:
    text = "$ one \\\n  more\nprinted 1.2 s\n...\nerror[x] 3\n$ two\n"
    first, second = block(text).commands()
    assert first == Command(text="one \\\n  more", shown=("printed 1.2 s", "...", "error[x] 3"))
    assert (first.fails, second.fails, second.shown) == (True, False, ())
    assert first.find_missing("printed  77 s\nbetween\nerror[x] 4\n") is None
    assert first.find_missing("error[x] 4\nprinted 77 s\n") == "error[x] 3"
