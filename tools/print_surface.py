"""Print what users of Wheelyard rely on, as JSON: ``diff`` two checkouts before and after a large change.

Texts are left out: a description may change, a name may not.
"""

import json
import re
from collections.abc import Iterator
from unittest.mock import MagicMock

from generate_docs import command_line_page
from starlette.routing import BaseRoute

from wheelyard import errors
from wheelyard.assembly.service import make_app
from wheelyard.domain.recipes.model import recipe_schema
from wheelyard.settings import Settings

_TEXTS = frozenset({"description", "summary", "title"})
_EXAMPLES = frozenset({"example", "examples"})


def main() -> None:
    """Print paths and models of the API, pages, commands with their options, settings, error codes, recipe keys."""
    app = make_app(MagicMock())
    options = re.findall(r"^(?:#+ `?(wheelyard.*?)`?|\* `(-.*?)`.*)$", command_line_page(), re.MULTILINE)
    surface = {
        "api": _without_texts(app.openapi()),
        "routes": sorted(set(_routes(app.routes))),
        "commands": [command or option for command, option in options],
        "settings": {name: str(field.default) for name, field in sorted(Settings.model_fields.items())},
        "errors": sorted({f"{kind.code} retryable={kind.retryable}" for kind in _descendants(errors.WheelyardError)}),
        "recipe": _without_texts(recipe_schema()),
    }
    print(json.dumps(surface, indent=1, sort_keys=True))


def _without_texts(value: object) -> object:
    if isinstance(value, dict):
        # A field may be called "title": its value is a schema, not a text.
        kept = {key: one for key, one in value.items() if key not in _TEXTS or isinstance(one, dict)}
        return {key: _without_texts(one) for key, one in kept.items() if key not in _EXAMPLES}
    return [_without_texts(one) for one in value] if isinstance(value, list) else value


def _routes(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if path := getattr(route, "path", None):
            yield f"{path} {' '.join(sorted(getattr(route, 'methods', None) or ()))}"
        inner = getattr(route, "original_router", route)
        yield from _routes(getattr(inner, "routes", None) or [])


def _descendants(kind: type[errors.WheelyardError]) -> Iterator[type[errors.WheelyardError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


if __name__ == "__main__":
    main()
