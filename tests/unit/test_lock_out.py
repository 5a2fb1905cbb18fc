"""Lock files with our own wheels' hashes put in, and nothing else changed."""

import difflib
import tomllib

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelyard.adapters.requirements_file import parse_requirements
from wheelyard.domain.dependencies import InputKind
from wheelyard.domain.lock_out import OwnWheel, add_to_lock
from wheelyard.domain.requirements_text import RequirementLine
from wheelyard.errors import DependencyFileInvalidError

UPSTREAM = "sha256:" + "a" * 64
OURS = "d" * 64
WHEEL = OwnWheel(
    filename="psycopg2-2.9.13-1.bookworm-cp313-cp313-manylinux_2_34_x86_64.whl",
    url="http://127.0.0.1:8123/files/psycopg2.whl",
    sha256=OURS,
    size_bytes=12,
)
WHEELS = {(canonicalize_name("Psycopg2"), Version("2.9.13")): [WHEEL]}


def with_ours(kind: InputKind, text: str) -> str:
    return add_to_lock(kind, text, WHEELS, file=kind.value, parse_lines=parse_requirements)


def changes(before: str, after: str) -> list[str]:
    """List the lines that differ, with the sign of a diff."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith(("+ ", "- "))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"psycopg2==2.9.13 --hash={UPSTREAM}", [f"    --hash=sha256:{OURS}"]),
        (f"psycopg2==2.9.13 \\\n    --hash={UPSTREAM}", [f"    --hash=sha256:{OURS}"]),
        (f"psycopg2==2.9.13 --hash={UPSTREAM}  # why", [f"    --hash=sha256:{OURS}  # why"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\n    # via application\n", "\nsix==1.17.0 --hash=" + UPSTREAM])
def test_requirements_get_our_hash_behind_upstreams(line: str, expected: list[str], end: str) -> None:
    text = f"# comment\nidna==3.20 --hash={UPSTREAM}\n{line}{end}"
    written = with_ours(InputKind.REQUIREMENTS, text)
    added = [change[2:] for change in changes(text, written) if change.startswith("+ ")]
    assert added[-1:] == expected
    read = {str(one.requirement): one.hashes for one in parse_requirements(written) if isinstance(one, RequirementLine)}
    assert read["psycopg2==2.9.13"] == (UPSTREAM, f"sha256:{OURS}")
    assert read["idna==3.20"] == (UPSTREAM,)


@pytest.mark.parametrize("end", ["", "\n"])
def test_requirement_that_goes_on_where_the_file_ends_gets_our_hash_too(end: str) -> None:
    written = with_ours(InputKind.REQUIREMENTS, f"psycopg2==2.9.13 \\\n    --hash={UPSTREAM} \\{end}")
    (read,) = parse_requirements(written)
    assert isinstance(read, RequirementLine)
    assert read.hashes == (UPSTREAM, f"sha256:{OURS}")


def test_requirements_that_need_no_hash_of_ours_stay_as_they_are() -> None:
    text = f"psycopg2==2.9.12 --hash={UPSTREAM}\npsycopg2\n-r other.txt\n"
    assert with_ours(InputKind.REQUIREMENTS, text) == text


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_lines_that_end_as_on_windows_stay_so_byte_for_byte(end: str) -> None:
    text = f"# one\r\nidna==3.20 --hash={UPSTREAM}\r\npsycopg2==2.9.13 --hash={UPSTREAM}{end}"
    assert with_ours(InputKind.REQUIREMENTS, text) == (
        f"# one\r\nidna==3.20 --hash={UPSTREAM}\r\n"
        f"psycopg2==2.9.13 --hash={UPSTREAM} \\\r\n    --hash=sha256:{OURS}{end}"
    )


@pytest.mark.parametrize("kind", [InputKind.UV_LOCK, InputKind.PYLOCK, InputKind.POETRY_LOCK])
def test_toml_with_lines_that_end_as_on_windows_stays_so(kind: InputKind) -> None:
    text = {InputKind.UV_LOCK: UV, InputKind.PYLOCK: PYLOCK, InputKind.POETRY_LOCK: POETRY}[kind]
    assert with_ours(kind, text.replace("\n", "\r\n")) == with_ours(kind, text).replace("\n", "\r\n")


def test_file_with_both_kinds_of_line_ends_keeps_each() -> None:
    text = f"# one\r\n# two\npsycopg2==2.9.13 --hash={UPSTREAM}\r\n# three\n"
    written = with_ours(InputKind.REQUIREMENTS, text)
    assert written.startswith("# one\r\n# two\n")
    assert written.endswith(f"    --hash=sha256:{OURS}\r\n# three\n")


def test_file_that_ends_without_a_line_end_stays_without() -> None:
    written = with_ours(InputKind.REQUIREMENTS, f"psycopg2==2.9.13 --hash={UPSTREAM}")
    assert written == f"psycopg2==2.9.13 --hash={UPSTREAM} \\\n    --hash=sha256:{OURS}"


UV = f"""\
version = 1

[[package]]
name = "psycopg2"
version = "2.9.13"
source = {{ registry = "simple" }}
wheels = [
    {{ url = "u", hash = "{UPSTREAM}", size = 1 }},
]

[[package]]
name = "idna"
version = "3.20"
wheels = [{{ url = "u", hash = "{UPSTREAM}" }}]
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "psycopg2"
version = "2.9.13"
sdist = { name = "psycopg2-2.9.13.tar.gz", url = "u", hashes = { sha256 = "aa" } }

[[packages]]
name = "here"
directory = { path = "." }
"""
POETRY = f"""\
[[package]]
name = "psycopg2"
version = "2.9.13"
files = [
    {{file = "a.whl", hash = "{UPSTREAM}"}},
]

[metadata]
lock-version = "2.1"
"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [(InputKind.UV_LOCK, UV), (InputKind.PYLOCK, PYLOCK), (InputKind.POETRY_LOCK, POETRY)],
)
def test_lock_file_in_toml_gets_one_line_more_and_stays_the_same_otherwise(kind: InputKind, text: str) -> None:
    written = with_ours(kind, text)
    (added,) = changes(text, written)
    assert added.startswith("+ ")
    assert OURS in added
    assert tomllib.loads(written) != tomllib.loads(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (InputKind.UV_LOCK, UV),
        (InputKind.PYLOCK, PYLOCK),
        (InputKind.POETRY_LOCK, POETRY),
        (InputKind.REQUIREMENTS, f"psycopg2==2.9.13 --hash={UPSTREAM}\n"),
    ],
)
def test_adding_twice_adds_once(kind: InputKind, text: str) -> None:
    written = with_ours(kind, text)
    assert with_ours(kind, written) == written


@pytest.mark.parametrize("text", ["[", "package = 3\n", "package = [1]\n"])
def test_lock_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DependencyFileInvalidError, match=r"uv\.lock cannot be read"):
        with_ours(InputKind.UV_LOCK, text)


def test_pyproject_is_no_lock() -> None:
    text = '[project]\nname = "x"\ndependencies = ["psycopg2==2.9.13"]\n'
    assert with_ours(InputKind.PYPROJECT, text) == text
