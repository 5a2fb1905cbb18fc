"""Lines of keys in TOML: right however the text is written, checked against what the parser reads."""

import tomllib
from collections.abc import Iterator

import pytest

from wheelyard.domain.recipes.toml_lines import KeyPath, find_lines, line_of

NESTED = """\
# A comment with [[rule]] and x = 1 in it.
schema = 1

[[rule]]
apt = [
  "liba-dev",   # why
  "libb-dev",

  "libc-dev",
]
expect.extensions = ["a.b"]
test . "imports" = [ "a",
  "b" ]

[rule.when]
version = ">=2"

[[rule]]
env = { CC = "gcc # not a comment", "C.C" = 'x = 1' }
[[rule.sources]]
url = "u1"
[[rule.sources]]
url = "u2"
to = "t2"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("schema",), 2),
        (("rule",), 4),
        (("rule", 0), 4),
        (("rule", 0, "apt"), 5),
        (("rule", 0, "apt", 0), 6),
        (("rule", 0, "apt", 1), 7),
        (("rule", 0, "apt", 2), 9),
        (("rule", 0, "expect"), 11),
        (("rule", 0, "expect", "extensions", 0), 11),
        (("rule", 0, "test", "imports", 0), 12),
        (("rule", 0, "test", "imports", 1), 13),
        (("rule", 0, "when", "version"), 16),
        (("rule", 1), 18),
        (("rule", 1, "env", "CC"), 19),
        (("rule", 1, "env", "C.C"), 19),
        (("rule", 1, "sources", 0), 20),
        (("rule", 1, "sources", 1), 22),
        (("rule", 1, "sources", 1, "to"), 24),
    ],
)
def test_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    assert find_lines(NESTED)[path] == line


def test_key_that_is_not_written_has_the_line_of_the_table_around_it() -> None:
    lines = find_lines(NESTED)
    assert line_of(lines, ("rule", 1, "sources", 0, "sha256")) == 20
    assert line_of(lines, ("name",)) is None


@pytest.mark.parametrize(
    "text",
    [
        NESTED,
        NESTED.replace("\n", "\r\n"),
        "",
        "\n\n# only a comment",
        "a = 1 # no newline at the end",
        'a = """one\n]]}"" # "still" the text\n"""\nb = 1',
        'a = """\\"""x"""""\nb = 1',
        "a = '''it's ''quoted'''''\nb = 1",
        "a = ''\nb = \"\"\nc = '\\'\nd = \"\\\\\"",
        "a = [[1, 2], [3, [4, {b = [5]}]],]\nb = []\nc = {}",
        "a = 1979-05-27 07:32:00Z\nb = [1e5, -inf, 0xF, true]",
        '[ a . \'b c\' ]\nd = 1\n[a."e\\"]"]\nf = {g.h = 1, g.i = [\n1,\n2\n]}',
        "[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\n[a.b.d]\ne = 1\n[[a]]\n[[a.b]]\nc = 2",
        "3.14 = 'dotted'\n1e5 = 2\n\"\" = 3\n",
    ],
)
def test_every_key_and_item_that_the_parser_reads_has_a_line_and_no_other(text: str) -> None:
    assert set(find_lines(text)) == set(paths_in(tomllib.loads(text)))


def paths_in(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_in(item, (*path, key))
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_in(item, (*path, number))
