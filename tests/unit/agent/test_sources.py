"""The agent's sources: they run on the Python of any target, with its standard library alone where they must."""

import ast
import sys
from pathlib import Path

import pytest

from wheelyard.resources import data_path

FILES = sorted((data_path("builders") / "agent").glob("wheelyard_agent/*.py"))
BARE = (
    *(
        "__init__",
        "__main__",
        "channel",
        "job",
        "verify",
        "elf",
        "imports",
        "threads",
        "modules",
        "platforms",
        "libraries",
        "owners",
        "debian",
    ),
    *("sealed_tree", "network_watch", "refusals", "usage", "commands", "recipe_files"),
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_target_can_read_it(file: Path) -> None:
    assert ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9)).body


@pytest.mark.parametrize("stem", BARE)
def test_what_runs_in_the_bare_image_needs_the_standard_library_only(stem: str) -> None:
    (file,) = [file for file in FILES if file.stem == stem]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    allowed = {*sys.stdlib_module_names, *(f"wheelyard_agent.{name}" for name in BARE)}
    assert [name for name in imported if name not in allowed and name.partition(".")[0] not in allowed] == []
