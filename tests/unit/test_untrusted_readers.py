"""Nothing but the bounded readers parses text of strangers: other modules neither import its parsers nor call them."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parents[2] / "service" / "wheelyard"
HOME: Final = "domain/untrusted/"
PARSERS: Final = frozenset(
    {
        *("tomllib", "json.load", "json.loads", "yaml", "configparser", "pickle.loads"),
        *("xml.etree.ElementTree.fromstring", "xml.etree.ElementTree.parse"),
        *("email.parser", "email.message_from_bytes", "email.message_from_string", "html.parser"),
        *("packaging.version.Version", "packaging.specifiers.Specifier", "packaging.specifiers.SpecifierSet"),
        *("packaging.requirements.Requirement", "packaging.markers.Marker", "packaging.metadata.parse_email"),
        *("packaging.utils.parse_wheel_filename", "packaging.utils.parse_sdist_filename", "packaging.tags.parse_tag"),
        *("packaging.dependency_groups", "tomlkit.parse", "tomlkit.load"),
    }
)
OWN_FILES: Final = frozenset({"json.load", "json.loads"})
EXEMPT: Final[Mapping[str, frozenset[str]]] = {
    # In a parser's process, and after the text's cost was checked.
    "domain/dependencies/lock_out.py": frozenset({"tomlkit.parse"}),
    "domain/healing/prediction.py": frozenset({"configparser"}),
    "adapters/host/parser_pool.py": frozenset({"pickle.loads"}),  # of a child of our own
    "adapters/host/parser_child.py": frozenset({"pickle.loads"}),  # of its parent
    # An empty set that takes others up; nothing is parsed.
    "usecases/read_dependencies.py": frozenset({"packaging.specifiers.SpecifierSet"}),
    # What Wheelyard itself wrote: state, backups, its own log, its own API.
    **dict.fromkeys(
        (
            *("adapters/servers/devpi_files.py", "adapters/images/sources.py", "adapters/images/fallback.py"),
            *(
                "adapters/images/reports.py",
                "adapters/images/reports.py",
                "assembly/backup.py",
                "domain/catalogue/sbom.py",
            ),
            *("cli/builders.py", "cli/client.py", "cli/commands/options.py", "cli/connection.py", "cli/demo.py"),
            *("adapters/images/optimised.py", "domain/provenance/statements.py"),
            *("domain/builds/log_text.py",),
            *("adapters/store/lease_keeper.py", "adapters/store/lease_keeper_child.py"),
        ),
        OWN_FILES,
    ),
    # It stands alone, so that it can be copied, and bounds what it reads itself.
    "provenance_check.py": frozenset({"json.loads", "tomllib"}),
    # What docker or podman says.
    **dict.fromkeys(
        ("assembly/host_checks.py", "adapters/images/checks.py", "adapters/images/names.py"),
        OWN_FILES,
    ),
}


def test_strangers_text_is_parsed_by_the_bounded_readers_alone() -> None:
    found = {
        f"{name}:{line} uses {parser}"
        for name, text in _modules()
        for line, parser in _uses(text)
        if parser not in EXEMPT.get(name, frozenset())
    }
    assert sorted(found) == []


def test_every_exemption_is_needed() -> None:
    modules = dict(_modules())
    unused = [
        f"{name}: {parser}"
        for name, parsers in EXEMPT.items()
        for parser in ([*parsers] if len(parsers) == 1 else [])
        if parser not in {used for _, used in _uses(modules[name])}
    ]
    assert unused == []
    assert [name for name in EXEMPT if not list(_uses(modules[name]))] == []


@pytest.mark.parametrize(
    ("text", "parser"),
    [
        ("import tomllib\n", "tomllib"),
        ("def late():\n    from tomllib import loads\n", "tomllib"),
        ("import json\njson.loads(text)\n", "json.loads"),
        ("from json import loads as read\nread(text)\n", "json.loads"),
        ("from packaging.version import Version\nsorted(texts, key=Version)\n", "packaging.version.Version"),
        ("from packaging.requirements import Requirement as R\nR(text)\n", "packaging.requirements.Requirement"),
        ("import packaging.utils\npackaging.utils.parse_wheel_filename(x)\n", "packaging.utils.parse_wheel_filename"),
        ("from email.parser import BytesParser\n", "email.parser"),
    ],
)
def test_planted_use_is_found(text: str, parser: str) -> None:
    assert [used for _, used in _uses(text)] == [parser]


@pytest.mark.parametrize(
    "text",
    [
        "import json\njson.dumps(value)\n",
        "from packaging.version import Version\ndef f(version: Version) -> Version | None: ...\n",
        "from packaging.version import Version\nmatch x:\n    case Version() as version: pass\n",
        "from packaging.requirements import Requirement\nisinstance(x, Requirement)\n",
    ],
)
def test_types_alone_are_no_use(text: str) -> None:
    assert list(_uses(text)) == []


def _modules() -> Iterator[tuple[str, str]]:
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        if not name.startswith((HOME, "_data/")):
            yield name, file.read_text(encoding="utf-8")


def _uses(text: str) -> Iterator[tuple[int, str]]:
    """Yield where a parser is imported as a module, or called, or handed on as a function."""
    tree = ast.parse(text)
    names = dict(_imported(tree))
    for node in ast.walk(tree):
        for imported in _modules_of(node):
            if (parser := _parser_of(imported)) is not None:
                yield node.lineno, parser  # type: ignore[attr-defined]  # imports have lines
        if isinstance(node, ast.Call):
            is_check = isinstance(node.func, ast.Name) and node.func.id in {"isinstance", "issubclass", "cast"}
            handed = [] if is_check else [*node.args, *(keyword.value for keyword in node.keywords)]
            for part in (node.func, *handed):
                if (parser := _parser_of(_full_name(part, names))) is not None:
                    yield node.lineno, parser


def _modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name.partition(".")[0],) * 2 for alias in node.names)


def _full_name(node: ast.AST, names: Mapping[str, str]) -> str:
    """Give the dotted name that an expression stands for, empty if it is none."""
    match node:
        case ast.Name(id=name):
            return names.get(name, "")
        case ast.Attribute(value=value, attr=attribute):
            outer = _full_name(value, names)
            return f"{outer}.{attribute}" if outer else ""
    return ""


def _parser_of(name: str) -> str | None:
    return next((parser for parser in PARSERS if name == parser or name.startswith(f"{parser}.")), None)
