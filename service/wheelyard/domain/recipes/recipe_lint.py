"""What is wrong with a recipe that can be used: it says what never has an effect. Must not read files."""

from collections.abc import Iterator

from wheelyard.domain.recipes.problems import TextProblem
from wheelyard.domain.recipes.recipe import Recipe


def lint_recipe(recipe: Recipe) -> Iterator[TextProblem]:
    """Yield files that no rule names."""
    for file in sorted(recipe.files.keys() - set(_named_files(recipe))):
        yield TextProblem(line=None, key="", message=f"no rule names the file {file}")


def _named_files(recipe: Recipe) -> Iterator[str]:
    for rule in recipe.rules:
        yield from (f"patches/{name}" for name in rule.patches)
        yield from (f"hooks/{name}" for name in (*rule.hooks.before_build, *rule.hooks.after_build))
        yield from (f"tests/{name}" for name in rule.test.files)
