"""Write the reference that comes from the code: docs/cli.md, docs/settings.md and recipes/recipe.schema.json.

A test compares the files with this program's output, so that they are up to date; ``make docs`` runs it.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

from wheelyard.cli.app import app
from wheelyard.cli.problem import MEANINGS
from wheelyard.client_settings import CLIENT_SETTINGS
from wheelyard.domain.recipes.model import recipe_schema
from wheelyard.settings import Settings

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
RECIPES: Final = DOCS.parent / "recipes"
_NOTE: Final = "<!-- Made from the code by tools/generate_docs.py; change it there. -->"
_NOT_RUN: Final = "<!-- not run on this page: made from the program's help; other pages run what is in it -->"
_EXAMPLE: Final = re.compile(r'\n<span style="font-weight: bold">(?P<title>[^<]+)</span>\n(?P<lines>(?:\S.*\n)+)')
_DESCRIBED: Final = re.compile(r"^(wheelyard .*?\S  +)(?=[a-z])", re.MULTILINE)
"""A command followed by words that describe it."""
_EPILOG: Final = re.compile(r"\n\[bold\]Exit codes\[/bold\]\n(?:.*\S.*\n)+")
_SHORTENED: Final = re.compile(r"(?<=`: )(?P<start>.+)\.\.\.$", re.MULTILINE)
# Settings whose default depends on the host describe it in their own text.
_DEPENDS_ON_HOST: Final = frozenset({"state_dir", "limit_cpus", "upstream_index_url"})


def command_line_page() -> str:
    """Return the page of every command, from its ``--help``."""
    command = get_command(app)
    context = Context(command, info_name="wheelyard", obj={"TYPER_RICH_MARKUP_MODE": "rich"})
    text = get_docs_for_click(obj=command, ctx=context, name="wheelyard", title="The command line")
    text = _EXAMPLE.sub(_show_example, _EPILOG.sub(_exit_codes(), text))
    text = _SHORTENED.sub(lambda match: _summary(match["start"]), html.unescape(text))
    title, _, rest = text.strip().partition("\n")
    return f"{title}\n\n{_NOTE}\n{_NOT_RUN}\n{rest}\n"


def _show_example(match: re.Match[str]) -> str:
    lines = _DESCRIBED.sub(r"\1# ", match["lines"])
    return f"\n**{match['title']}**\n\n```console\n{lines}```\n"


def _exit_codes() -> str:
    rows = "".join(f"| {code:d} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return f"\n## Exit codes\n\n| code | meaning |\n|---|---|\n{rows}"


def _summary(start: str) -> str:
    """Return a command's first line in full, which typer truncates (https://github.com/pallets/click/issues/1165)."""
    groups = [app, *(group.typer_instance for group in app.registered_groups if group.typer_instance)]
    callbacks = [command.callback for group in groups for command in group.registered_commands if command.callback]
    texts = [*(str(group.info.help) for group in groups), *(callback.__doc__ or "" for callback in callbacks)]
    return next(text.partition("\n")[0] for text in texts if text.startswith(start))


def settings_page() -> str:
    """Return the page of every setting, from the docstrings of the fields."""
    return "\n".join(
        [
            "# Settings",
            "",
            _NOTE,
            "",
            "Each is an environment variable, a line `NAME=value` in the file that `WHEELYARD_ENV_FILE` names, or a",
            "file in the directory that `WHEELYARD_SECRETS_DIR` names, named alike in small letters. The first wins.",
            "",
            "## The service",
            "",
            *_describe(Settings),
            "## The command line as a client",
            "",
            *(
                line
                for name, text in CLIENT_SETTINGS.items()
                for line in (f"### `WHEELYARD_{name.upper()}`", "", text, "")
            ),
        ]
    )


def _describe(settings: type[BaseSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        yield f"### `WHEELYARD_{name.upper()}`"
        yield ""
        yield " ".join((field.description or "").split())
        if (default := _default_of(name, field)) is not None:
            yield ""
            yield f"Default: `{default}`"
        yield ""


def _default_of(name: str, field: FieldInfo) -> str | None:
    """Return a default as the environment would set it; None if the text names it or there is none."""
    default = field.get_default(call_default_factory=True)
    return None if name in _DEPENDS_ON_HOST or default in (None, ()) else str(default)


def schema_file() -> str:
    """Return the JSON schema of recipes, which editors read."""
    return json.dumps(recipe_schema(), indent=2) + "\n"


def main() -> None:
    """Write all of them."""
    (DOCS / "cli.md").write_text(command_line_page())
    (DOCS / "settings.md").write_text(settings_page())
    (RECIPES / "recipe.schema.json").write_text(schema_file())


if __name__ == "__main__":
    main()
