"""Proves the layers of the design: imports go down only, third parties and rooms stay apart, and nothing is circular.

Every import counts, wherever it stands: in a function, and below ``TYPE_CHECKING`` too.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

_PACKAGE: Final = "wheelyard"
_SOURCE: Final = Path(__file__).parents[2] / "service" / _PACKAGE

_LAYERS: Final[Mapping[str, int]] = {
    "__main__": 4,
    **dict.fromkeys(
        (
            "api",
            "web",
            "cli",
            "assembly",
        ),
        3,
    ),
    **dict.fromkeys(("usecases", "pipeline", "adapters"), 2),
    **dict.fromkeys(
        (
            "build_events",
            "interfaces",
            "client_settings",
            "settings",
            "logs",
            "memory_cache",
            "metrics",
            "resources",
            "wheel_files",
            "zip_files",
        ),
        1,
    ),
    **dict.fromkeys(("__init__", "domain", "errors", "provenance_check"), 0),
}
_APART: Final = (frozenset({"usecases", "pipeline"}), frozenset({"adapters"}))
"""The two halves of layer 2, which meet in assembly only."""

_ROOMS: Final[Mapping[str, frozenset[str]]] = {
    "archives": frozenset({"engine", "images"}),
    "devpi": frozenset({"upstream"}),
    "images": frozenset({"engine", "upstream"}),
    "recipes": frozenset({"git"}),
    "resolver": frozenset({"upstream"}),
    "servers": frozenset({"devpi"}),  # the embedded devpi is set up by a client of devpi
}
"""Which rooms of ``adapters`` each of them may import, beside ``host``, which all may; all else meets in assembly."""
_CLOSED: Final = {"api": frozenset({"web", "cli", "assembly"}), "web": frozenset({"cli", "assembly"})}
"""Which others of its own layer a package may not import: assembly puts the pages on the API's application."""

_HOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "auditwheel": (),
    "fastapi": ("api", "web", "assembly.service"),
    "starlette": ("adapters.resolver", "api", "web"),
    "uvicorn": ("adapters.resolver", "assembly"),
    "jinja2": ("web",),
    "httpx": ("adapters", "assembly.host_checks", "cli.client"),
    "httpx_sse": ("cli.client",),
    "cryptography": ("adapters", "provenance_check"),
    "psycopg": ("adapters",),
    "psycopg_pool": ("adapters",),
    "procrastinate": ("adapters",),
    "yoyo": ("adapters",),
    "prometheus_client": ("metrics",),
}

_MOST_MODULES: Final = 23
"""More than that in one folder are more than one subject."""

Sources = Mapping[str, str]
"""The text of each module, by its name below the package, such as ``api.app``."""


@pytest.fixture(scope="module")
def sources() -> Sources:
    files = (file for file in _SOURCE.rglob("*.py") if "_data" not in file.parts)
    return {_name_of(file): file.read_text(encoding="utf-8") for file in files}


def test_imports_go_down_only_and_third_parties_stay_in_their_homes(sources: Sources) -> None:
    assert _violations(sources) == []


def test_check_of_provenance_stands_alone(sources: Sources) -> None:
    """People copy this one file."""
    tops = {name.partition(".")[0] for name in _imports(sources["provenance_check"])}
    assert tops - set(sys.stdlib_module_names) == {"cryptography"}


def test_no_folder_holds_more_than_one_can_overlook(sources: Sources) -> None:
    assert _crowded(sources) == []


def test_crowded_folder_is_caught(sources: Sources) -> None:
    planted = {f"domain.index.planted{number}": "" for number in range(_MOST_MODULES + 1)}
    (found,) = _crowded({**sources, **planted})
    assert found.startswith("domain.index: ")


def test_no_import_is_circular(sources: Sources) -> None:
    assert _cycle(sources) == []


@pytest.mark.parametrize(
    ("module", "text", "reason"),
    [
        ("domain.planted", "from wheelyard.interfaces import Engine", "goes up"),
        ("interfaces", "import wheelyard.adapters.store.database", "goes up"),
        ("adapters.planted", "from wheelyard.pipeline.job import Job", "to the other half"),
        ("pipeline.planted", "from wheelyard.adapters import database", "to the other half"),
        ("usecases.planted", "def act():\n    from wheelyard.assembly.service import catalogue", "goes up"),
        (
            "errors",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wheelyard.settings import Settings",
            "goes up",
        ),
        ("api.planted", "from wheelyard.web.rendering import error_page", "is closed to api"),
        ("web.planted", "def act():\n    from wheelyard.assembly import service", "is closed to web"),
        ("cli.planted", "import httpx", "has its home"),
        ("usecases.planted", "from fastapi.sse import format_sse_event", "has its home"),
        ("assembly.service", "import psycopg.rows", "has its home"),
        ("adapters.planted", "import auditwheel", "has its home"),
        ("adapters.engine.planted", "from wheelyard.adapters.servers.processes import spawn", "to another room"),
        ("planted", "", "has no layer"),
        ("domain.planted", "from . import build", "is relative"),
    ],
)
def test_planted_violation_is_caught(sources: Sources, module: str, text: str, reason: str) -> None:
    (found,) = _violations({**sources, module: text})

    assert found.startswith(f"{module}: ")
    assert reason in found


def test_planted_cycle_is_caught(sources: Sources) -> None:
    planted = {
        **sources,
        "domain.one": "from wheelyard.domain import two",
        "domain.two": "def late():\n    from wheelyard.domain.one import name",
    }

    assert sorted(set(_cycle(planted))) == ["domain.one", "domain.two"]


def _name_of(file: Path) -> str:
    parts = file.relative_to(_SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def _violations(sources: Sources) -> list[str]:
    return [found for module in sorted(sources) for found in _judge_module(module, sources)]


def _judge_module(module: str, sources: Sources) -> Iterator[str]:
    if _top(module) not in _LAYERS:
        yield f"{module}: has no layer; name it here and in the design"
        return
    for imported in _imports(sources[module]):
        if reason := _judge_import(module, imported):
            yield f"{module}: {reason}"


def _judge_import(module: str, imported: str) -> str | None:
    if imported.startswith("."):
        return f"its import of {imported} is relative"
    package, _, inner = imported.partition(".")
    if package != _PACKAGE:
        homes = _HOMES.get(package)
        at_home = homes is None or any(module == home or module.startswith(f"{home}.") for home in homes)
        return None if at_home else f"{package} has its home in {' and '.join(homes or ()) or 'builder images'}"
    here, there = _top(module), _top(inner or "__init__")
    if _LAYERS.get(there, 0) > _LAYERS[here]:
        return f"its import of {inner} goes up"
    if there in _CLOSED.get(here, ()):
        return f"its import of {inner} is closed to {here}"
    if any(here in half and there in other for half in _APART for other in _APART if half != other):
        return f"its import of {inner} goes to the other half of its layer"
    return _judge_room(_room(module), _room(inner), inner)


def _judge_room(room: str | None, other: str | None, inner: str) -> str | None:
    if room and other and other not in {room, "host"} | _ROOMS.get(room, frozenset()):
        return f"its import of {inner} goes to another room of adapters"
    return None


def _room(module: str) -> str | None:
    """Return the room of adapters that a module is in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "adapters" and len(parts) > 2 else None


def _crowded(sources: Sources) -> list[str]:
    packages = {module.rpartition(".")[0] for module in sources}
    folders = Counter(module.rpartition(".")[0] for module in sources if module not in packages)
    return [f"{folder}: {count} modules" for folder, count in sorted(folders.items()) if count > _MOST_MODULES]


def _cycle(sources: Sources) -> list[str]:
    """Return the modules of one cycle, nothing if there is none."""
    graph = {module: {_module_of(name, sources) for name in _imports(text)} for module, text in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(module) for module in error.args[1]]
    return []


def _module_of(imported: str, sources: Sources) -> str:
    """Say which module a name belongs to: ``from wheelyard.domain import build`` names one, ``… import Build`` not."""
    name = imported.removeprefix(f"{_PACKAGE}.")
    return name if name in sources or not imported.startswith(f"{_PACKAGE}.") else name.rpartition(".")[0] or name


def _imports(text: str) -> Iterator[str]:
    """Yield what a module imports, as dotted names with the imported name last; names of one module only once."""
    seen = set[str]()
    for node in ast.walk(ast.parse(text)):
        for name in _names(node):
            key = name if name.startswith(_PACKAGE) else name.partition(".")[0] or name
            if key not in seen:
                seen.add(key)
                yield name


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return []


def _top(module: str) -> str:
    return module.partition(".")[0]
