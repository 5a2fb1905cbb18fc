"""A recipe as a build used it: each key that said something, with its value in words. Must not read recipes."""

from dataclasses import fields

from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.web.words import some

_NOTHING = EffectiveRecipe()


def used_keys(recipe: EffectiveRecipe) -> tuple[tuple[str, str], ...]:
    """List what the recipe came to; empty if there is none."""
    found = ((one.name, getattr(recipe, one.name)) for one in fields(recipe))
    return tuple(
        (name.replace("_", " ").capitalize(), _words(value))
        for name, value in found
        if value != getattr(_NOTHING, name)
    )


def _words(value: object) -> str:
    match value:
        case RecipeFile():
            return value.name
        case SourceFile():
            return value.url
        case (str(name), str(given)):
            return f"{name} = {given}"
        case tuple():
            return some([_words(one) for one in value])
        case _:
            return str(value)
