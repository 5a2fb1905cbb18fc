"""The bounded readers: hostile text of each kind is refused for a few times its length, and honest text is read.

Costs are counted: in memory that Python took, or in steps. No clock is asked.
"""

import json
import tomllib
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.metadata import RawMetadata, parse_email
from packaging.utils import canonicalize_name

from wheelyard.adapters.upstream.page import MOST_FILES, PageBody, read_page
from wheelyard.domain.packaging.target import NEWEST_MINOR, Policy, Target
from wheelyard.domain.untrusted.file_names import MAX_TAGS, find_wheel_name, read_tag, read_wheel_name
from wheelyard.domain.untrusted.json_text import read_json
from wheelyard.domain.untrusted.metadata import MAX_HEADERS, MAX_NAMES, parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import MAX_DEPTH, read_marker, read_requirement
from wheelyard.domain.untrusted.toml_text import MAX_KEY_PARTS, check_cost, read_toml
from wheelyard.domain.untrusted.versions import MAX_VERSION, find_version, read_specifiers, read_version

ROOT: Final = Path(__file__).parents[3]
ROOM: Final = 1 << 20
"""Bytes that a reader may take whatever the text."""
PER_BYTE: Final = 1000
"""Bytes of memory that a reader may take for each byte of a text."""


def peak_of(read: Callable[[], Any]) -> int:
    """Return how much memory a reading took at most, whether it refused or not."""
    tracemalloc.start()
    try:
        read()
    except RefusedTextError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


# --- TOML

SEPARATORS: Final = (".", " . ", '."a".', ".'a'.", ".\t")


def dotted(parts: int, separator: str = ".") -> str:
    return separator.join(["a"] * parts)


HOSTILE_TOML: Final = {
    "key": dotted(30_000) + " = 1",
    **{f"key with {separator!r}": dotted(20_000, separator) + " = 1" for separator in SEPARATORS},
    "table": f"[{dotted(30_000)}]",
    "array of tables": f"[[{dotted(30_000)}]]",
    "inline table": f"x = {{ {dotted(30_000)} = 1 }}",
    "second key of an inline table": f"x = {{ y = 1, {dotted(30_000)} = 1 }}",
    "inline table in an array": f"x = [{{ {dotted(30_000)} = 1 }}]",
    "after a text that ends with quotes": f'x = """a"""""\n{dotted(30_000)} = 1',
    "after an escaped quote": f'x = "\\""\n{dotted(30_000)} = 1',
    "after a literal with a backslash": f"x = '\\'\n{dotted(30_000)} = 1",
    "after a comment with a quote": f"# it's\n{dotted(30_000)} = 1",
    "after a line break of Windows": f"x = 1\r\n{dotted(30_000)} = 1\r\n",
    "many keys": "\n".join(f"{dotted(32)}{number} = 1" for number in range(5000)),
    "brackets": "x = " + "[" * 100_000,
    "braces": "x = " + "{ a = " * 50_000,
    "empty arrays": "x = [" + "[]," * 600_000 + "]",
    "text without end": '"""' + '\\"""' * 100_000,
    "line without end": '"' + '\\"' * 100_000,
    "quotation marks": '"' * 200_001,
    "apostrophes": "'" * 200_001,
    "digits": "x = " + "9" * 5000,
}
HONEST_TOML: Final = {
    "dots in texts": 'a = "' + "x." * 5000 + '"',
    "dots in comments": "# " + "x." * 5000 + "\na = 1",
    "dots in a text of lines": 'a = """\n' + "x.y.z = 1\n" * 1000 + '"""',
    "dots in a literal of lines": "a = '''\n" + "[x.y.z]\n" * 1000 + "'''''",
    "dots in a key's quotes": '"' + "a." * 5000 + '" = 1',
    "quotes in quotes": "a = '\"'\nb = \"'\"\nc = '''\"\"\"'''\nd = \"\"\"'''\"\"\"",
    "four and five quotes": 'a = """x""""\nb = """x"""""',
    "numbers and dates": "a = [1.5, 2.5e3, 1979-05-27T07:32:00.999999Z]\nb = 0.5",
    "short dotted keys": "tool.poetry.group.dev.dependencies.x = 1\n[tool.uv.sources.y]\nz.w = 1",
    "brackets in texts": 'a = "' + "[{" * 5000 + '"',
}


@pytest.mark.parametrize("text", HOSTILE_TOML.values(), ids=HOSTILE_TOML.keys())
def test_hostile_toml_is_refused_for_little_memory(text: str) -> None:
    with pytest.raises(RefusedTextError):
        read_toml(text)
    assert peak_of(lambda: read_toml(text)) < ROOM + 100 * len(text)


@pytest.mark.parametrize("text", HONEST_TOML.values(), ids=HONEST_TOML.keys())
def test_honest_toml_is_read_as_ever(text: str) -> None:
    assert read_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/*.toml")), ids=lambda path: path.name)
def test_every_toml_file_of_the_project_is_read(path: Path) -> None:
    if ".venv" not in path.parts:
        text = path.read_text(encoding="utf-8")
        assert read_toml(text) == tomllib.loads(text)


def test_longest_key_that_is_allowed() -> None:
    assert read_toml(f"{dotted(MAX_KEY_PARTS)} = 1")
    with pytest.raises(RefusedTextError, match=f"a key has {MAX_KEY_PARTS + 1} parts; {MAX_KEY_PARTS} are allowed"):
        read_toml(f"{dotted(MAX_KEY_PARTS + 1)} = 1")


PIECES: Final = st.sampled_from(
    [
        "a",
        "1",
        ".",
        "=",
        "[",
        "]",
        "{",
        "}",
        ",",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "#",
        "\n",
        "\r\n",
        " ",
        "x.y",
        '\\"',
        "é",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_whatever_tomllib_reads_is_read_and_all_else_is_refused(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except ValueError:
        with pytest.raises(RefusedTextError):
            read_toml(text)
    else:
        assert read_toml(text) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=12).map("".join), st.integers(1, 3000))
def test_repeated_toml_takes_memory_with_its_length_alone(piece: str, times: int) -> None:
    text = piece * times
    assert peak_of(lambda: read_toml(text)) < ROOM + PER_BYTE * len(text)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["a", '"b.c"', "'d'", "e-f"]), min_size=MAX_KEY_PARTS + 1, max_size=200),
    st.sampled_from(
        ["{} = 1", "[{}]", "[[{}]]", "x = {{ {} = 1 }}", "x = [{{ y = 1, {} = 2 }}]", '"""x""" = 1\n{} = 1']
    ),
    st.sampled_from(list(SEPARATORS[:2])),
)
def test_deep_key_is_refused_wherever_it_is_and_however_it_is_quoted(parts: list[str], place: str, dot: str) -> None:
    with pytest.raises(RefusedTextError):
        check_cost(place.format(dot.join(parts)))


# --- JSON


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 5000,
        "-" + "9" * 5000,
        "NaN",
        "[Infinity]",
        "{",
        "",
        "\ud800",
        b"\xff\xfe\x00",
    ],
)
def test_hostile_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(RefusedTextError):
        read_json(text)


def test_json_longer_than_allowed_is_not_looked_at() -> None:
    with pytest.raises(RefusedTextError, match="longer than 10 bytes"):
        read_json(b"[" * 11, max_bytes=10)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_that_was_written_is_read(value: object) -> None:
    assert read_json(json.dumps(value)) == value


# --- requirements, markers, versions

HOSTILE_REQUIREMENTS: Final = (
    "a; " + "(" * 3000 + "os_name == 'x'" + ")" * 3000,
    "a; " + "(" * 300 + "os_name == 'x'" + ")" * 300,
    f"a; {'(' * (MAX_DEPTH + 1)}os_name == 'x'{')' * (MAX_DEPTH + 1)}",
    "a==" + "9" * 5000,
    "a>=" + "9" * 5000 + ".*",
    "a===" + "9" * 5000,
    "a===anything",
    "a===1.0.x",
    "a~=" + "9" * 300,
    "a; python_version > '" + "9" * 5000 + "'",
    "a==" + ".".join("1" * 200),
    "a[" + ",".join("b" * 5000) + "]",
    "a" * 10_000,
    "a @ ",
    "",
    "\0",
)


@pytest.mark.parametrize("text", HOSTILE_REQUIREMENTS, ids=lambda text: text[:20])
def test_hostile_requirement_is_refused(text: str) -> None:
    with pytest.raises(RefusedTextError) as caught:
        read_requirement(text)
    assert len(str(caught.value)) < 2 * MAX_VERSION + 300


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "==",
                "===",
                ">=",
                "~=",
                "9" * 60,
                "1.0",
                ".*",
                "(",
                ")",
                ";",
                "os_name",
                "'x'",
                " and ",
                " or ",
                " in ",
                "[b]",
                "@",
                ",",
                " ",
                "!",
                "+l",
            ]
        ),
        max_size=60,
    ).map("".join)
)
def test_requirement_is_read_or_refused_and_what_was_read_can_be_used(text: str) -> None:
    target = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
    try:
        requirement = read_requirement(text)
    except RefusedTextError:
        return
    assert read_requirement(str(requirement)) == requirement
    requirement.specifier.contains("1.0")
    requirement.specifier.is_unsatisfiable()
    if requirement.marker is not None:
        requirement.marker.evaluate({**target.marker_environment(), "extra": ""})


MANY_CLAUSES: Final = ",".join(f"!=2.{number}" for number in range(101))


@pytest.mark.parametrize("text", ["=" * 9, "9" * 201, "1." * 200 + "0", "1+" + "a" * 300, "dev", "", "1.0\0"])
def test_hostile_version_is_refused(text: str) -> None:
    with pytest.raises(RefusedTextError):
        read_version(text)
    assert find_version(text) is None


@pytest.mark.parametrize("text", [">=" + "9" * 5000, "===x", ">=1" * 9, "<2," * 2000, "~=1", "^3.11", MANY_CLAUSES])
def test_hostile_specifier_is_refused(text: str) -> None:
    with pytest.raises(RefusedTextError):
        read_specifiers(text)


@pytest.mark.parametrize("text", ["==1.*", "!=2.*", "===1.0", ">=3.9,<4,!=3.10.*", "~=1.4", "==1!2.0+local.1"])
def test_honest_specifier_is_read(text: str) -> None:
    assert read_specifiers(text).contains("5") in {True, False}


def test_marker_with_many_parts_beside_each_other_is_read() -> None:
    assert "os_name" in str(read_marker(" or ".join(["(os_name == 'posix' and python_version < '3.9')"] * 100)))


# --- metadata


def headers(count: int, *, distinct: int) -> bytes:
    return b"".join(b"X-%d: value\n" % (number % distinct) for number in range(count))


@pytest.mark.parametrize(
    "content",
    [
        headers(100_000, distinct=100_000),
        headers(MAX_NAMES + 1, distinct=MAX_NAMES + 1),
        headers(MAX_HEADERS + 1, distinct=1),
        b"Requires-Dist: a\n" * 74_243,
        b"x" * (5 << 20),
        b"Summary: a\n" + b" x\n" * 100_001,
    ],
    ids=["names", "one name too many", "one header too many", "requirements", "size", "lines"],
)
def test_hostile_metadata_is_refused_before_it_is_parsed(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.domain.untrusted.metadata.parse_email", None)
    with pytest.raises(RefusedTextError):
        parse_metadata(content)


def test_body_is_the_description_whatever_the_headers_call_it() -> None:
    nested = b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 2000
    found = parse_metadata(b"Name: a\nVersion: 1\nContent-Type: multipart/mixed; boundary=x\n\n" + nested)
    assert (found["name"], found["version"]) == ("a", "1")
    assert found["description"].encode() == nested


@pytest.mark.parametrize("name", [b"Content-Type", b"content-TYPE", b"Content-Transfer-Encoding"])
def test_header_of_mails_reaches_no_parser(name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def keep(content: bytes) -> tuple[RawMetadata, dict[str, list[str]]]:
        seen.append(content)
        return parse_email(content)

    monkeypatch.setattr("wheelyard.domain.untrusted.metadata.parse_email", keep)
    # The email package looks for the end of a quoted parameter at each semicolon anew: 160 kB took 15 s.
    content = b'Name: a\n%s: multipart/mixed;\n\ta="%s\nVersion: 1\n' % (name, b";" * 1_000_000)
    found = parse_metadata(content)
    assert (found["name"], found["version"]) == ("a", "1")
    assert seen == [b"Name: a\nVersion: 1\n"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_metadata_is_read_with_each_kind_of_line(end: bytes) -> None:
    lines = [
        b"Metadata-Version: 2.1",
        b"Name: a",
        b"Requires-Dist: b",
        b" >1",
        b"Requires-Dist: c",
        b"",
        b"Text: x",
        b"",
    ]
    found = parse_metadata(end.join(lines))
    assert found["name"] == "a"
    assert len(found["requires_dist"]) == 2
    assert found["description"].strip() == "Text: x"


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from([b"Name", b": ", b"\n", b"\r", b" ", b"a", b"\xff", b"=?utf-8?b?", b"?="]), max_size=40
    ).map(b"".join)
)
def test_any_metadata_is_read_or_refused(content: bytes) -> None:
    try:
        found = parse_metadata(content)
    except RefusedTextError:
        return
    assert isinstance(found, dict)


# --- names of files, tags, platforms


@pytest.mark.parametrize(
    "name",
    [
        "a-" + "9" * 5000 + "-py3-none-any.whl",
        "a-1-" + "9" * 5000 + "-py3-none-any.whl",
        "a-1-" + "9" * 210 + "-py3-none-any.whl",
        "a-1-" + "-".join(".".join(f"p{n}" for n in range(15)) for _ in range(3)) + ".whl",
        "a-1-py3-none-any.zip",
        "a.whl",
        "",
    ],
    ids=lambda name: name[:20],
)
def test_hostile_wheel_name_is_refused(name: str) -> None:
    with pytest.raises(RefusedTextError):
        read_wheel_name(name)
    assert find_wheel_name(name) is None


def test_tag_is_refused_before_it_is_unfolded() -> None:
    parts = ".".join(f"p{number}" for number in range(1000))
    assert peak_of(lambda: read_tag(f"{parts}-{parts}-{parts}")) < ROOM
    assert len(read_tag("py2.py3-none-any")) == 2
    assert MAX_TAGS == 1000


@pytest.mark.parametrize(
    "platform",
    [
        "manylinux_2_400000_x86_64",
        f"manylinux_2_{NEWEST_MINOR + 1}_x86_64",
        "manylinux_3_17_x86_64",
        "manylinux_0_17_x86_64",
        "manylinux_2_" + "9" * 5000 + "_x86_64",
        "manylinux_2_17_" + "x" * 5000,
        "manylinux_2_\N{ARABIC-INDIC DIGIT ONE}_x86_64",
    ],
    ids=lambda text: text[:30],
)
def test_platform_that_cannot_exist_is_refused(platform: str) -> None:
    with pytest.raises(ValueError, match="manylinux"):
        Target.parse(python="3.13", platform=platform)


def test_platform_that_an_older_release_stored_is_read_and_has_no_more_tags_than_any_other() -> None:
    stored = Target.stored(python="3.13", platform="manylinux_2_400000_x86_64")
    newest = Target.parse(python="3.13", platform=f"manylinux_2_{NEWEST_MINOR}_x86_64")
    assert len(stored.tags()) == len(newest.tags())
    assert str(stored.policy) == "manylinux_2_400000_x86_64"
    assert len(list(_taken(Policy.stored("manylinux_2_999999999_x86_64").platform_tags()))) < 200


def _taken(tags: Iterator[str]) -> Iterator[str]:
    for number, tag in enumerate(tags):
        assert number < 1000
        yield tag


@pytest.mark.parametrize("end", [".tar.gz", "-py3-none-any.whl"])
@pytest.mark.parametrize("kind", ["json", "html"])
def test_file_of_a_page_with_a_name_that_none_has_is_left_out(kind: str, end: str) -> None:
    names = ["a-1" + "-1" * 10_000 + end, "a-2.0" + end, "a-" + "9" * 240 + end]
    files = [
        {"filename": name, "url": f"https://x.example/{name[:9]}", "hashes": {"sha256": "0" * 64}} for name in names
    ]
    links = "".join(f'<a href="https://x.example/{name[:9]}#sha256={"0" * 64}">{name}</a>' for name in names)
    page = {
        "json": (
            "application/vnd.pypi.simple.v1+json",
            json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": files}),
        ),
        "html": ("text/html", f"<html><body>{links}</body></html>"),
    }
    media_type, content = page[kind]
    body = PageBody(url="https://x.example/a/", content_type=media_type, content=content.encode())
    assert [file.filename for file in read_page(canonicalize_name("a"), body).files] == ["a-2.0" + end]


def test_page_with_more_files_than_any_project_has_is_refused() -> None:
    content = json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": [0] * (MOST_FILES + 1)})
    body = PageBody(
        url="https://x.example/a/", content_type="application/vnd.pypi.simple.v1+json", content=content.encode()
    )
    with pytest.raises(RefusedTextError, match=f"lists {MOST_FILES + 1} files"):
        read_page(canonicalize_name("a"), body)
