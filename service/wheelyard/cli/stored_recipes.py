"""Change the recipes in the service's database, and export them into a folder or as a patch."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import InvalidName, canonicalize_name
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.recipes import PastRevisionView, RecipeView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_line, plain_text
from wheelyard.domain.recipes.source import RECIPE_FILE, project_of
from wheelyard.errors import NotFoundError, RecipeRefusedError, ServerUnreachableError

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
"""A line as git counts them: TOML's comments may have other line separators of Unicode."""


def put_recipe(client: WheelyardClient, file: Path, *, revision: int | None, as_json: bool) -> ExitCode:
    """Store the recipe of a file under the project that the file is named after."""
    recipe = client.put_recipe(project_of(file.absolute()), _read(file), revision=revision)
    if as_json:
        print_json(recipe.model_dump(mode="json"))
        return ExitCode.OK
    note(f"stored {plain_line(recipe.source)}")
    if recipe.replaces:
        note(f"it replaces {plain_line(recipe.replaces)}")
    for remark in recipe.remarks:
        note(plain_line(remark))
    return ExitCode.OK


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RecipeRefusedError(project=project_of(file.absolute()), problems=[f"{file}: {reason}"]) from error


def remove_recipe(client: WheelyardClient, name: str, *, revision: int | None, as_json: bool) -> ExitCode:
    """Remove a recipe from the service's database."""
    removed = client.remove_recipe(name, revision=revision)
    if as_json:
        print_json(removed.model_dump(mode="json"))
    else:
        note(f"removed; this is revision {removed.number}, and the recipe of a folder or repository counts again")
    return ExitCode.OK


def adopt_recipe(client: WheelyardClient, name: str, *, build: str | None, as_json: bool) -> ExitCode:
    """Adopt the recipe of a healed build, and print the project's recipe that follows."""
    build_id = None if build is None else client.find_build(build)
    adoption = client.adopt_recipe(name, build_id=build_id)
    if as_json:
        print_json(adoption.model_dump(mode="json"))
        return ExitCode.OK
    output().print(Text(plain_text(adoption.recipe.text)), soft_wrap=True)
    source = plain_line(adoption.recipe.source)
    note(f"adopted: {source}" if adoption.is_new else f"nothing to add: {source} has all of it already")
    if adoption.equal_build:
        note(f"an equal request joins build {plain_line(adoption.equal_build)}")
    else:
        note("the next request builds anew: the recipe or the builder differs from what the build has used")
    return ExitCode.OK


def show_history(client: WheelyardClient, name: str, *, revision: int | None, limit: int, as_json: bool) -> ExitCode:
    """Print the revisions of a recipe, newest first, or the text of one."""
    if revision is not None:
        return _show_revision(client, name, revision, as_json=as_json)
    history = client.recipe_history(name, limit=limit)
    if as_json:
        print_json(history.model_dump(mode="json"))
        return ExitCode.OK
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("REVISION", "AT", "BY", "CHANGE"):
        table.add_column(column, overflow="fold")
    for one in history.revisions:
        at = one.at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(str(one.number), at, Text(plain_line(one.by)), Text(_change(one)))
    output().print(table)
    if not history.revisions:
        note("the service's database has never had a recipe of this project")
    return ExitCode.OK


def _show_revision(client: WheelyardClient, name: str, revision: int, *, as_json: bool) -> ExitCode:
    found = client.recipe_history(name, before=revision + 1, limit=1).revisions
    if not found or found[0].number != revision:
        raise NotFoundError(kind="revision", name=str(revision), where=f"of the recipe of {name}")
    if as_json:
        print_json(found[0].model_dump(mode="json"))
    elif found[0].text is None:
        note("this revision removed the recipe")
    else:
        print(found[0].text, end="")  # noqa: T201  (unchanged, so that it can go into a file)
    return ExitCode.OK


def _change(one: PastRevisionView) -> str:
    if one.text is None:
        return "removed"
    return f"adopted from build {plain_line(one.build_id)}" if one.build_id else "saved"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Export:
    """A recipe of the database, and its file in a folder of recipes."""

    file: Path
    former: str | None
    """The file's text; None if there is no such file."""
    text: str


def export_recipes(client: WheelyardClient, name: str | None, *, folder: Path | None, as_patch: bool) -> ExitCode:
    """Write one recipe of the service's database, or all, into a folder, or print what would change as a patch."""
    exports = [_export_of(client, recipe, folder or Path()) for recipe in _chosen(client, name)]
    if folder is None:
        exports = [_Export(file=one.file, former=None, text=one.text) for one in exports]
    changed = [one for one in exports if one.former != one.text]
    if as_patch:
        top = _top_of(folder) if folder else Path()
        print("".join(part for one in changed for part in _patch_of(one, top)), end="")  # noqa: T201  (unchanged)
    else:
        for one in changed:
            one.file.parent.mkdir(parents=True, exist_ok=True)
            one.file.write_bytes(one.text.encode())
            note(f"wrote {one.file}")
    note(f"recipes in the service's database: {len(exports)}, of which {len(changed)} differ")
    return ExitCode.OK


def _chosen(client: WheelyardClient, name: str | None) -> Iterator[RecipeView]:
    """Yield the recipes to export; raise NotFoundError if the one that is named is not in the database."""
    if name is None:
        yield from (client.recipe(one.name) for one in client.recipes().recipes if one.revision is not None)
        return
    recipe = client.recipe(name)
    if recipe.revision is None:
        raise NotFoundError(kind="recipe", name=name, where=f"in the service's database, only in {recipe.source}")
    yield recipe


def _export_of(client: WheelyardClient, recipe: RecipeView, folder: Path) -> _Export:
    try:
        project = canonicalize_name(recipe.name, validate=True)
    except InvalidName as error:
        # The name becomes a path, so it is checked whatever the service says.
        raise ServerUnreachableError(url=client.url, reason=f"{recipe.name!r} is not a project's name") from error
    in_folder = folder / project / RECIPE_FILE
    file = in_folder if in_folder.is_file() else folder / f"{project}.toml"
    former = _read(file) if file.is_file() else None
    return _Export(file=file, former=former, text=recipe.text if recipe.text.endswith("\n") else f"{recipe.text}\n")


def _top_of(folder: Path) -> Path:
    """Return the root of the folder's git repository, from which git counts paths; the folder if it is in none."""
    here = folder.absolute()
    return next((one for one in (here, *here.parents) if (one / ".git").exists()), here)


def _patch_of(export: _Export, top: Path) -> Iterator[str]:
    """Yield the parts of a patch in git's form (https://git-scm.com/docs/diff-format)."""
    path = export.file.absolute().relative_to(top.absolute()).as_posix()
    yield f"diff --git a/{path} b/{path}\n"
    if export.former is None:
        yield "new file mode 100644\n"
    former = _LINE.findall(export.former or "")
    lines = difflib.unified_diff(
        former,
        _LINE.findall(export.text),
        fromfile="/dev/null" if export.former is None else f"a/{path}",
        tofile=f"b/{path}",
    )
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
