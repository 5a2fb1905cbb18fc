"""ELF files are a stranger's: only the agent, in a container, may parse them; others read a table of sections."""

import ast
from pathlib import Path

import wheelyard

PARSERS = {"elftools", "auditwheel", "lief"}
KNOWS_THE_FORMAT = {
    "elf_sections.py": "reads a bounded table, in a parser's process, to say in which sections two files differ",
    "emulation.py": "writes a program of its own, to see whether the kernel runs it",
}
SOURCES = sorted(Path(wheelyard.__file__).parent.rglob("*.py"))


def imported_by(source: Path) -> set[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_service_has_nothing_that_parses_elf_files() -> None:
    found = {source.name: PARSERS & imported_by(source) for source in SOURCES}
    assert {name: parsers for name, parsers in found.items() if parsers} == {}
    named = {source.name for source in SOURCES if "\\x7fELF" in source.read_text(encoding="utf-8")}
    assert named == KNOWS_THE_FORMAT.keys()
