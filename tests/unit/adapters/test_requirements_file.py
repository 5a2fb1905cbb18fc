"""Our reader of requirements files says what pip's own does, which pip offers to nobody."""

from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.exceptions import InstallationError
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import RequirementsFileParser, get_line_parser, handle_line

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.requirements_file import NestedFile, RequirementLine, UnusableLine

Fact = tuple[object, ...]
HASH: Final = f"sha256:{'0' * 64}"
OTHER: Final = f"sha512:{'aB' * 64}"
REFUSED: Final = "refused"

SAME: Final = (
    # Releases.
    *("idna", "idna==3.20", "idna === 3.20", "idna (>=3)", "idna(>=3)", "idna >=3 , <4", "idna~=3.1,!=3.2", "zip"),
    *("Requests[socks]", "requests[Socks,use_chardet_on_py3] >= 2", "requests [socks]", "requests[]", "a.b_c-d"),
    *("idna; python_version<'3.11'", 'idna==3 ; sys_platform == "linux" and extra == "a"', "idna;", "idna ; "),
    *('idna; platform_release == "a/b.zip"', "idna[x]==1;python_version>'3'", "\tidna\t", "idna\u00a0", "idna==1.*"),
    # Releases with options.
    *(f"idna==3 --hash={HASH}", f"idna --hash {HASH} --hash={OTHER}", f"idna==3; python_version>'3' --hash={HASH}"),
    *(f'idna --hash="{HASH}"', "idna --config-settings=a=b", 'idna -C "a=b c"', f"idna --has={HASH}"),
    *("idna --pre", "idna -i https://index.test/simple", "idna -r more.txt", "idna -e .", "idna --no-index six"),
    # Lines, comments and what continues them.
    *(
        "",
        "# idna",
        "  # idna",
        "idna # six",
        "idna #",
        "idna#six",
        "idna\n\n# x\nsix",
        "idna\r\nsix\rtoml\fnine\u2028ten",
    ),
    *(
        "idna \\\n ==3",
        "idna\\\n==3",
        f"idna==3 \\\n    --hash={HASH} \\\n    --hash={OTHER}\nsix",
        "idna \\",
        "\\\nidna",
    ),
    *(
        "idna \\\n# x\nsix",
        "idna \\\n  # x\nsix",
        "idna \\\n==3 # x \\\nsix",
        "# x \\\nidna",
        "idna \\ \nsix",
        "idna\\\n#x\nsix",
    ),
    *("\\idna\\\n==3", "idna \\\\\n==3", "\\", "\\\n\\\n\\\n", "\ufeffidna", "\ufeff# x\nidna", "idna \\\n\nsix"),
    # Options.
    *(
        "-r more.txt",
        "-rmore.txt",
        "--requirement more.txt",
        "--requirement=more.txt",
        "-r a.txt -r b.txt",
    ),
    *("-r 'a file.txt'", "-r a\\ file.txt", "-c limits.txt", "--constraint limits.txt", "-c limits.txt # x"),
    *(
        "--index-url https://index.test",
        "-i https://index.test",
        "-ihttps://index.test",
        "--pypi-url https://index.test",
    ),
    *(
        "--extra-index-url https://index.test",
        "--no-index",
        "-f folder",
        "--find-links=folder",
        "--trusted-host index.test",
    ),
    *(
        "--no-binary :all:",
        "--only-binary=:none:",
        "--prefer-binary",
        "--require-hashes",
        "--no-require-hashes",
        "--pre",
    ),
    *("--all-releases :all:", "--only-final idna", "--use-feature fast-deps", f"--hash={HASH}", "--no-index --pre"),
    *("--pre idna", "-i https://index.test six", "--", "-- idna"),
    # Addresses.
    *("https://files.test/a.tar.gz", "https://files.test/a-1-py3-none-any.whl", "HTTPS://files.test/a.zip#egg=a"),
    *("https://files.test/a.zip ; python_version>'3'", "file:///a/b.zip", "ftp://files.test/a.zip"),
    *(
        "git+https://host.test/x.git",
        "git+ssh://git@host.test/x.git@main#egg=x",
        "hg+http://host.test/x",
        "svn+svn://h/x",
    ),
    *(
        "x @ https://files.test/x.zip",
        "x@https://files.test/x.zip",
        "x[a] @ git+https://host.test/x.git ; os_name == 'a'",
    ),
    *(
        "x @ file:///x.zip",
        "./folder",
        "folder/",
        ".",
        "./folder[extra]",
        "a.zip",
        "a.tar.gz",
        "a-1-py3-none-any.whl",
        "A.ZIP",
    ),
    *("-e .", "-e ./folder", "--editable=./folder", "-e folder", "-e git+https://host.test/x.git#egg=x", "-e .[extra]"),
    # What nobody can read.
    *(
        "idna==",
        "idna=3",
        "idna>>3",
        "idna>=1.*",
        "not a requirement",
        "idna[extra",
        "idna==1]",
        "-x",
        "-r",
        "--hash",
        "?",
    ),
    *("idna --hash", "idna --of-a-newer-pip", 'idna --config-settings="a=b', "idna; python_versio < '3'", "idna; x"),
    *("-r 'a", "--no-index=1", "--requir a", "idna>=1[extra]", "==1", "idna six", f"idna --hash=md5:{'0' * 32}", "=1"),
)
DIFFERENT: Final[dict[str, tuple[object, object]]] = {
    # An option of a newer pip asks for nothing that an index has, so that it stops nobody.
    "--of-a-newer-pip": (REFUSED, []),
    # Older versions of pip had these.
    "idna --install-option=x": (REFUSED, [("release", 1, "idna", "", "", "", ())]),
    "idna --global-option=x": (REFUSED, [("release", 1, "idna", "", "", "", ())]),
    "--requirements more.txt": (REFUSED, [("-r", 1, "more.txt")]),
    "-r=more.txt": ([("-r", 1, "=more.txt")], [("-r", 1, "more.txt")]),
    # A hash that no file can have.
    "idna --hash=sha256:zz": ([("release", 1, "idna", "", "", "", ("sha256:zz",))], REFUSED),
    # pip looks whether the file is there, and at the name of a wheel; here it is reported as what no index has.
    "./nowhere": (REFUSED, [("address", 1)]),
    "https://files.test/a.whl": (REFUSED, [("address", 1)]),
    # Versions that are none, and names that no file could have.
    "idna===word": ([("release", 1, "idna", "===word", "", "", ())], REFUSED),
    "a" * 256: ([("release", 1, "a" * 256, "", "", "", ())], REFUSED),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be where pip finds the paths that lines name."""
    (tmp_path / "folder").mkdir()
    for project in (tmp_path, tmp_path / "folder"):
        (project / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", SAME)
def test_line_means_what_it_means_to_pip(text: str, folder: Path) -> None:
    assert read(text) == read_with_pip(text, folder)


@pytest.mark.parametrize("text", DIFFERENT)
def test_line_that_means_something_else_to_pip_does_so_on_purpose(text: str, folder: Path) -> None:
    assert (read_with_pip(text, folder), read(text)) == DIFFERENT[text]


PIECES: Final = (
    *("idna", "six", "==3.20", ">=1", "<2", ",", "[socks]", ";", "python_version > '3'", 'os_name == "a"', "(", ")"),
    *(" # x", "#", "\n", "\n", "\\\n", " \\\n    ", "\\", "\r\n", " ", " ", "  ", "\t", "'", '"', "@", "/", ".", ":"),
    *(f" --hash={HASH} ", " -C a=b ", "-r more.txt", "-c limits.txt", "--pre", " --pre", "-i x", " - ", " -- "),
    *("https://files.test/a.tar.gz", "git+https://host.test/x.git", "x @ ", "a.zip", "./folder"),
)


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
def test_whatever_pip_reads_is_read_the_same(folder: Path, text: str) -> None:
    """The other way round, more is read here: options that pip lacks, and addresses without a look at what is there."""
    if (expected := read_with_pip(text, folder)) != REFUSED:
        assert read(text) == expected


def read(text: str) -> list[Fact] | str:
    lines = parse_requirements(text)
    if any(isinstance(line, UnusableLine) and line.is_malformed for line in lines):
        return REFUSED
    return [fact for line in lines for fact in facts(line)]


def facts(line: object) -> Iterator[Fact]:
    match line:
        case RequirementLine(line=number, requirement=requirement, hashes=hashes):
            yield release(number, requirement, requirement.marker, hashes)
        case NestedFile(line=number, name=name, is_constraints=is_constraints):
            yield ("-c" if is_constraints else "-r", number, name)
        case UnusableLine(line=number, reason=reason) if not reason.startswith(("an option", "installers", "no such")):
            yield "address", number


def read_with_pip(text: str, folder: Path) -> list[Fact] | str:
    (file := folder / "requirements.txt").write_bytes(text.encode())
    session: Any = None  # only for files at an address
    parser = RequirementsFileParser(session, get_line_parser(None))
    try:
        return [fact for line in parser._parse_file(str(file), False) for fact in facts_of_pip(line)]
    except (InstallationError, ValueError):  # it lets some addresses fail as they may
        return REFUSED


def facts_of_pip(line: Any) -> Iterator[Fact]:  # noqa: ANN401  pip's own
    if line.requirement is None:
        # It opens the first one of a line alone; here all are read.
        yield from (("-r", line.lineno, name) for name in line.opts.requirements)
        yield from (("-c", line.lineno, name) for name in line.opts.constraints)
        return
    parsed = handle_line(line)
    assert parsed is not None
    found = install_req_from_parsed_requirement(parsed)
    if found.editable or found.link is not None:
        yield "address", line.lineno
    else:
        assert found.req is not None
        hashes = tuple(f"{kind}:{value}" for kind, values in found.hash_options.items() for value in values)
        yield release(line.lineno, Requirement(str(found.req)), found.markers, hashes)


def release(number: int, requirement: Requirement, marker: object, hashes: tuple[str, ...]) -> Fact:
    extras = " ".join(sorted(map(canonicalize_name, requirement.extras)))
    name = canonicalize_name(requirement.name)
    return "release", number, name, str(requirement.specifier), extras, str(marker or ""), hashes


@pytest.mark.parametrize(
    "text",
    [
        *("idna" + " " * 300_000 + "x", "idna " + "- " * 40_000, "-r '" + "a" * 90_000, "[" * 90_000 + "]"),
        *("a\\\n" * 100_000, (" " * 5_000 + "\n") * 50, "--pre " * 15_000, "@" * 90_000, "a" * 1_000_000),
    ],
    ids=["spaces", "dashes", "quote", "brackets", "continued", "blanks", "options", "signs", "letters"],
)
def test_hostile_line_costs_little(text: str) -> None:
    begin = process_time()
    parse_requirements(text)
    assert process_time() - begin < 3


def test_line_that_is_longer_than_any_honest_one_is_refused_with_its_number() -> None:
    first, long, last = parse_requirements("idna\n" + f"six --hash={HASH} \\\n" * 2_000 + "\ntoml\n")
    assert (first.line, long.line, last.line) == (1, 2, 2003)
    assert isinstance(long, UnusableLine)
    assert long.is_malformed
    assert "100000 are allowed" in long.reason


def test_what_could_not_be_stored_is_replaced() -> None:
    lines = parse_requirements("./a\0b\n./a\ud800b\n")
    assert [line.text for line in lines if isinstance(line, UnusableLine)] == ["./a\N{REPLACEMENT CHARACTER}b", "./a?b"]
