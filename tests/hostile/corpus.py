"""Finds the attacks: a file each, with what it tries as its docstring, what it must end in as constants.

Must not run any of them: what a file says of itself is read off its text.
"""

import ast
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
_ROOT: Final = HERE.parents[1]


class CorpusError(Exception):
    """Attacks whose files do not say all that a test must know of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """An attack as its file describes it."""

    path: Path
    tries: str
    """Its docstring."""
    facts: Mapping[str, object]
    """Its constants, those that are plain values: ``REFUSED`` and all that a kind of attack has besides."""
    acts: tuple[str, ...]
    """Its functions."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.stem

    @property
    def kind(self) -> str:
        """The folder that it is in."""
        return self.path.parent.name

    @property
    def refused(self) -> str | None:
        """The code of the failure that it ends in; None if it is harmless."""
        return None if (code := self.facts.get("REFUSED")) is None else str(code)

    @property
    def said(self) -> str:
        """Words of that failure."""
        return str(self.facts.get("SAID", ""))

    def act(self, name: str) -> Any:  # noqa: ANN401  each kind has a function of its own form
        """Give one of its functions."""
        module = ".".join(self.path.relative_to(_ROOT).with_suffix("").parts)
        return getattr(importlib.import_module(module), name)


def find_attacks(folder: Path, *, acts: Sequence[str] = (), facts: Sequence[str] = ()) -> Mapping[str, Attack]:
    """Find the attacks of a folder, by name.

    Args:
        folder: has nothing but attacks.
        acts: the functions that each must have.
        facts: the constants that each must have which is refused.

    Raises:
        CorpusError: some lack something, or there are none.
    """
    found = [_read(path) for path in sorted(folder.glob("*.py"))]
    lacks = [f"{attack.path} has {lack}" for attack in found for lack in _lacks(attack, acts, facts)]
    if lacks or not found:
        raise CorpusError("\n".join(lacks) or f"{folder} has no attacks")
    return {attack.name: attack for attack in found}


def _read(path: Path) -> Attack:
    tree = ast.parse(path.read_text())
    functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return Attack(path=path, tries=ast.get_docstring(tree) or "", facts=dict(_constants(tree)), acts=tuple(functions))


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def _lacks(attack: Attack, acts: Sequence[str], facts: Sequence[str]) -> Iterator[str]:
    if not attack.tries:
        yield "no docstring, which says what it tries"
    if ("REFUSED" in attack.facts) == ("HARMLESS" in attack.facts):
        yield "not one of REFUSED, the code of its failure, and HARMLESS, what becomes of it"
    wanted = ("SAID", *facts) if attack.refused else ()
    yield from (f"no {name}" for name in wanted if not attack.facts.get(name))
    yield from (f"no function {name}" for name in acts if name not in attack.acts)


SDISTS: Final = find_attacks(HERE / "sdists", acts=("make",))
WHEELS: Final = find_attacks(HERE / "wheels", acts=("make",))
FRAMES: Final = find_attacks(HERE / "frames", acts=("play",))
BUILDS: Final = find_attacks(HERE / "builds", facts=("STAGE",))
PROOFS: Final = find_attacks(HERE / "proofs", acts=("make",))
