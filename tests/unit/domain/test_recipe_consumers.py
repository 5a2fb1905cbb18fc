"""Every key of a recipe is read where it acts, and tried in a real build: none is carried along and ignored."""

import ast
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.merge import MERGES

ROOT = Path(__file__).parents[3]
SERVICE = ROOT / "service" / "wheelyard"


@dataclass(frozen=True, kw_only=True)
class Use:
    """Where a field acts, and where that is tried."""

    modules: tuple[str, ...]
    """Modules that read it."""
    tried: str
    """The test module that builds with it, or that shows why nothing is built."""


KEYS, JOBS = "integration/test_recipe_keys.py", "integration/test_container_jobs.py"
BUILD, REPAIR, VERIFY = ("pipeline/build.py",), ("pipeline/repair.py",), ("pipeline/verify.py",)
REQUIRES, LIMITS, GRAFTS = (
    ("domain/recipes/effective.py",),
    ("pipeline/limits.py",),
    ("domain/builds/expectations.py",),
)
PACKAGES = ("domain/recipes/system_packages.py",)
USES = {
    "apt": Use(modules=PACKAGES, tried=KEYS),
    "dnf": Use(modules=PACKAGES, tried="unit/usecases/test_recipe_request.py"),
    "apk": Use(modules=PACKAGES, tried="unit/usecases/test_recipe_request.py"),
    "toolchains": Use(
        modules=("usecases/request_build.py", "pipeline/prepare.py", "pipeline/crates.py", *BUILD),
        tried="integration/test_toolchain_builds.py",
    ),
    "env": Use(modules=BUILD, tried=KEYS),
    "config_settings": Use(modules=BUILD, tried=KEYS),
    "build_requires": Use(modules=REQUIRES, tried=KEYS),
    "dropped_requires": Use(modules=REQUIRES, tried=KEYS),
    "build_constraints": Use(modules=BUILD, tried=KEYS),
    "sources": Use(modules=("pipeline/prepare.py", *BUILD), tried=KEYS),
    "patches": Use(modules=BUILD, tried=KEYS),
    "cythonize": Use(modules=BUILD, tried=KEYS),
    "before_build": Use(modules=BUILD, tried=KEYS),
    "after_build": Use(modules=BUILD, tried=KEYS),
    "excluded_libraries": Use(modules=REPAIR, tried=KEYS),
    "grafted_beyond_policy": Use(modules=REPAIR, tried=KEYS),
    "denied_libraries": Use(modules=GRAFTS, tried=KEYS),
    "denied_licenses": Use(modules=REPAIR, tried="integration/test_wheel_contents.py"),
    "max_grafted": Use(modules=GRAFTS, tried=KEYS),
    "policy_floor": Use(modules=GRAFTS, tried=KEYS),
    "memory_bytes": Use(modules=LIMITS, tried=KEYS),
    "cpus": Use(modules=LIMITS, tried=KEYS),
    "time_seconds": Use(modules=LIMITS, tried=KEYS),
    "scratch_bytes": Use(modules=LIMITS, tried=KEYS),
    "log_bytes": Use(modules=LIMITS, tried=KEYS),
    "expected_extensions": Use(modules=(*REPAIR, *VERIFY), tried=JOBS),
    "absent_extensions": Use(modules=REPAIR, tried=JOBS),
    "is_pure": Use(modules=REPAIR, tried=JOBS),
    "expected_gil": Use(modules=VERIFY, tried="integration/test_free_threaded.py"),
    "test_imports": Use(modules=VERIFY, tried=KEYS),
    "test_commands": Use(modules=VERIFY, tried=KEYS),
    "test_requires": Use(modules=VERIFY, tried=KEYS),
    "test_files": Use(modules=VERIFY, tried=KEYS),
    "test_apt": Use(modules=("pipeline/prepare.py",), tried=KEYS),
    "network": Use(modules=("pipeline/job.py", "usecases/request_build.py"), tried=KEYS),
    "unsupported": Use(modules=("usecases/request_build.py",), tried="unit/usecases/test_recipe_request.py"),
}
OF_NO_KEY = {"test_apt_on"}
"""Fields that are merged from another one's key; ``test_pipeline_brought.py`` tries them."""
FIELDS = [field.name for field in dataclasses.fields(EffectiveRecipe) if field.name not in OF_NO_KEY]


def reads(module: str, name: str) -> bool:
    """Tell whether a module reads a field of a recipe: ``….recipe.NAME``, ``recipe.NAME`` or ``effective.NAME``."""
    tree = ast.parse((SERVICE / module).read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == name)
    return any(_is_recipe(node.value) for node in found)


def _is_recipe(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in {"recipe", "effective"}


def test_every_field_has_a_use_and_every_key_a_field() -> None:
    assert set(USES) == set(FIELDS)
    assert {name for name, _ in MERGES.values()} == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_read_where_it_acts(name: str) -> None:
    assert [module for module in USES[name].modules if not reads(module, name)] == []


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_tried(name: str) -> None:
    text = (ROOT / "tests" / USES[name].tried).read_text(encoding="utf-8")
    key = next(path[-1] for path, (field, _) in MERGES.items() if field == name)
    assert f"{name}=" in text or f'"{name}"' in text or f"{key} = " in text or f".{key} = " in text


def test_field_that_nobody_reads_would_be_noticed() -> None:
    assert not reads("pipeline/build.py", "max_grafted")
