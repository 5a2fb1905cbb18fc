"""Hostile dependency files, the whole way that a request takes them, in real parser processes.

Each must end in an error of the caller's kind, or in as few releases as it has honest lines; and an honest caller is
answered all the while.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import pytest
import pytest_asyncio
from packaging.utils import canonicalize_name

from wheelyard.adapters.host.parser_pool import ParserLimits, ParserProcesses
from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.files import Selection
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import CallerError, DependencyFileInvalidError
from wheelyard.usecases.prebuild import lock_files
from wheelyard.usecases.read_dependencies import MOST_RELEASES, DependencyInput, ReadInput, read_input

TARGET: Final = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
DEEP_KEY: Final = ".".join("a" * 30_000) + " = 1\n"
PARENTHESES: Final = "(" * 400 + "os_name == 'posix'" + ")" * 400
DIGITS: Final = "9" * 5000
PACKAGE: Final = '[[package]]\nname = "{0}"\nversion = "{1}"\nsource = {{ registry = "https://index.example" }}\n'
ROOT: Final = '[[package]]\nname = "root"\nversion = "1"\nsource = { virtual = "." }\n'

TOML_NAMES: Final = ("pyproject.toml", "uv.lock", "pylock.toml", "poetry.lock")
REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    **{f"deep key in {name}": (name, DEEP_KEY) for name in TOML_NAMES},
    **{f"deep table in {name}": (name, f"[{'.'.join('a' * 30_000)}]\n") for name in TOML_NAMES},
    **{f"deep brackets in {name}": (name, "a = " + "[" * 50_000) for name in TOML_NAMES},
    **{f"digits in {name}": (name, f"a = {DIGITS}\n") for name in TOML_NAMES},
    "version of uv.lock": ("uv.lock", ROOT + PACKAGE.format("a", DIGITS)),
    "version of poetry.lock": ("poetry.lock", PACKAGE.format("a", DIGITS)),
    "version of pylock.toml": (
        "pylock.toml",
        f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "a"\nversion = "{DIGITS}"\n',
    ),
    "marker of uv.lock": ("uv.lock", f'{ROOT}dependencies = [{{ name = "a", marker = "{PARENTHESES}" }}]\n'),
    "marker of poetry.lock": ("poetry.lock", PACKAGE.format("a", "1") + f'markers = "{PARENTHESES}"\n'),
    "marker of pylock.toml": (
        "pylock.toml",
        f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "a"\nversion = "1"\nmarker = "{PARENTHESES}"\n',
    ),
    "Python of pylock.toml": (
        "pylock.toml",
        f'lock-version = "1.0"\ncreated-by = "x"\nrequires-python = ">={DIGITS}"\npackages = []\n',
    ),
    "requirements without end": ("requirements.txt", "".join(f"a{number}==1\n" for number in range(MOST_RELEASES + 1))),
    "group of a group": ("pyproject.toml", '[dependency-groups]\nroot = [{include-group = "root"}]\n'),
}

NAMES: Final = ("../../admin", "a/b", "", "a" * 300, "a\\u0000", "a?b", "-", "é")
PYLOCK: Final = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "{0}"\nversion = "1"\n'
HASHED: Final = (
    'wheels = [{{ name = "a-1-py3-none-any.whl", url = "https://a.example/a", hashes = {{ sha256 = "{0}" }} }}]\n'
)
REFUSED_VALUES: Final = {
    **{f"name {name[:20]!r} in uv.lock": ("uv.lock", ROOT + PACKAGE.format(name, "1")) for name in NAMES},
    **{
        f"need {name[:20]!r} in uv.lock": ("uv.lock", f'{ROOT}dependencies = [{{ name = "{name}" }}]\n')
        for name in NAMES
    },
    **{f"name {name[:20]!r} in poetry.lock": ("poetry.lock", PACKAGE.format(name, "1")) for name in NAMES},
    **{f"name {name[:20]!r} in pylock.toml": ("pylock.toml", PYLOCK.format(name)) for name in NAMES},
    "number as a hash in uv.lock": ("uv.lock", ROOT + PACKAGE.format("a", "1") + "wheels = [{ hash = 5 }]\n"),
    "NUL in a hash in uv.lock": ("uv.lock", ROOT + PACKAGE.format("a", "1") + 'sdist = { hash = "sha256:\\u0000" }\n'),
    "number as a hash in poetry.lock": ("poetry.lock", PACKAGE.format("a", "1") + "files = [{ hash = 5 }]\n"),
    "NUL in a hash in pylock.toml": ("pylock.toml", PYLOCK.format("a") + HASHED.format("\\u0000")),
    "text as dependencies": ("pyproject.toml", '[project]\nname = "x"\ndependencies = "lxml"\n'),
    "text as an extra": ("pyproject.toml", '[project]\nname = "x"\n[project.optional-dependencies]\nroot = "lxml"\n'),
}


def doubled_groups(depth: int) -> str:
    """Write groups that include the next one twice."""
    inner = "".join(
        f'g{number} = [{{include-group = "g{number + 1}"}}, {{include-group = "g{number + 1}"}}]\n'
        for number in range(depth)
    )
    return f'[dependency-groups]\nroot = [{{include-group = "g0"}}]\n{inner}g{depth} = ["lxml"]\n'


def doubled_extras(depth: int) -> str:
    """Write extras of the project itself that name the next one under two markers."""
    inner = "".join(
        f"""e{number} = ["x[e{number + 1}]; os_name == 'posix'", "x[e{number + 1}]; python_version > '3'"]\n"""
        for number in range(depth)
    )
    last = ", ".join(f'"lxml{number}"' for number in range(100))
    head = '[project]\nname = "x"\nversion = "1"\n[project.optional-dependencies]\nroot = ["x[e0]"]\n'
    return f"{head}{inner}e{depth} = [{last}]\n"


def lock_of(packages: int, edges: int) -> str:
    """Write a uv.lock whose packages all need the same ones."""
    needs = ", ".join(f'{{ name = "p{number}" }}' for number in range(edges))
    rest = "".join(PACKAGE.format(f"p{number}", "1") + f"dependencies = [{needs}]\n" for number in range(packages))
    return f"{ROOT}dependencies = [{needs}]\n{rest}"


@pytest_asyncio.fixture(scope="module")
async def parsers() -> AsyncIterator[ParserProcesses]:
    async with ParserProcesses() as pool:
        yield pool


async def read(parsers: ParserProcesses, name: str, text: str) -> ReadInput:
    groups = frozenset({canonicalize_name("root")}) if "dependency-groups" in text[:30] else frozenset()
    extras = frozenset({canonicalize_name("root")}) if "optional-dependencies" in text[:200] else frozenset()
    given = DependencyInput(files={name: text}, start=name, selection=Selection(groups=groups, extras=extras))
    return await parsers.run(read_input, given, (TARGET,), parse_requirements, what=name, caller="mallory")


@pytest.mark.parametrize(
    ("name", "text"), [*REFUSED.values(), *REFUSED_VALUES.values()], ids=[*REFUSED.keys(), *REFUSED_VALUES.keys()]
)
async def test_file_is_refused_with_an_error_of_the_callers_kind(
    parsers: ParserProcesses, name: str, text: str
) -> None:
    with pytest.raises(CallerError) as caught:
        await read(parsers, name, text)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "line",
    [f"a; {PARENTHESES}", f"a=={DIGITS}", "a===nothing", f"a>={DIGITS}"],
    ids=["parentheses", "digits", "word", "bound"],
)
@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
async def test_hostile_line_is_refused_by_its_number(parsers: ParserProcesses, name: str, line: str) -> None:
    project = f'[project]\nname = "x"\nversion = "1"\ndependencies = ["{line}", "lxml"]\n'
    number = 2 if name == "requirements.txt" else 4
    with pytest.raises(DependencyFileInvalidError, match=f"{name}:{number}: ") as caught:
        await read(parsers, name, f"lxml\n{line}\n" if name == "requirements.txt" else project)
    assert len(str(caught.value)) < 2000


async def test_constraints_on_one_project_are_few(parsers: ParserProcesses) -> None:
    for count, refused in ((100, False), (101, True), (9000, True)):
        files = {"requirements.txt": "-c c.txt\nlxml\n", "c.txt": "".join(f"lxml!=2.{n}\n" for n in range(count))}
        given = DependencyInput(files=files, start="requirements.txt")
        reading = parsers.run(read_input, given, (TARGET,), parse_requirements, what="lines", caller="mallory")
        if refused:
            with pytest.raises(CallerError, match=r"c\.txt:101: there are 101 version clauses for lxml in all"):
                await reading
        else:
            assert len((await reading).by_target[0].allowed[0].specifier) == count


async def test_group_that_is_included_twice_counts_once(parsers: ParserProcesses) -> None:
    found = await read(parsers, "pyproject.toml", doubled_groups(60))
    assert found.by_target[0].requirements == ("lxml",)


async def test_extras_that_double_one_another_are_refused_or_few(parsers: ParserProcesses) -> None:
    with pytest.raises(CallerError, match=r"too often|allowed"):
        await read(parsers, "pyproject.toml", doubled_extras(20))


HOSTILE_SOURCES: Final = {
    "long address": f"git+https://git.example/{'a/' * 45_000}",
    "many fields": f"git+https://git.example/a#{'&'.join(f'egg=a{number}' for number in range(5_000))}",
    "many eggs": "git+https://git.example/a" + "#egg=a" * 10_000,
    "brackets of an egg": f"git+https://git.example/a#egg=a[{'b,' * 40_000}]",
    "percent signs": f"https://files.example/{'%2e' * 20_000}-1.tar.gz#sha256={'0' * 64}",
    "long folder": f"-e {'a/' * 45_000}[{'b,' * 2_000}]",
    "dots of a folder": f"-e {'../' * 30_000}",
    "ref of options": "git+https://git.example/a@--upload-pack=touch",
    "control characters": "git+https://git.example/a@v1\x1b[31m",
    "other host behind a user": "git+https://git.example@evil.example/a",
}


@pytest.mark.parametrize("line", HOSTILE_SOURCES.values(), ids=HOSTILE_SOURCES.keys())
async def test_hostile_address_is_left_out_with_its_line(parsers: ParserProcesses, line: str) -> None:
    found = await read(parsers, "requirements.txt", f"lxml\n{line}\n")
    (skipped,) = found.skipped
    assert (found.by_target[0].sources, found.by_target[0].requirements) == ((), ("lxml",))
    assert skipped.origin.line == 2
    assert len(skipped.text) + len(skipped.reason) < 1000


async def test_sources_of_one_input_are_few(parsers: ParserProcesses) -> None:
    lines = "".join(f"git+https://git.example/a{number}\n" for number in range(2_000))
    with pytest.raises(CallerError, match="it names 2000 sources in git; 50 are allowed"):
        await read(parsers, "requirements.txt", lines)


async def test_lock_with_many_edges_is_walked_once(parsers: ParserProcesses) -> None:
    found = await read(parsers, "uv.lock", lock_of(400, 200))
    assert len(found.by_target[0].locked or ()) == 200


async def test_file_that_no_check_knows_ends_by_its_time_and_holds_up_nobody_else() -> None:
    text = "".join(f"a.b{number} = 1\n" for number in range(20_000))  # tomlkit takes the square of it
    given = DependencyInput(files={"uv.lock": text}, start="uv.lock")
    async with ParserProcesses(limits=ParserLimits(cpu_seconds=1)) as parsers:
        runaway = asyncio.create_task(
            parsers.run(lock_files, given, (), parse_requirements, what="uv.lock to be locked", caller="mallory")
        )
        honest = DependencyInput(requirements=("lxml",))
        found = await parsers.run(read_input, honest, (TARGET,), parse_requirements, what="lines", caller="alice")
        assert found.by_target[0].requirements == ("lxml",)
        with pytest.raises(RefusedTextError, match=r"uv\.lock to be locked took more than 1 s of processor time"):
            await runaway
