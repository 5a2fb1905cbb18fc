"""Draft a recipe from a project's sdist, which is read as data on this host. Must not run or unpack it."""

import asyncio
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.resolver.sdists import read_sdist
from wheelyard.assembly.service import source_index
from wheelyard.cli.console import note
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.packaging.release import Release, choose_release, parse_requirement
from wheelyard.domain.recipes.draft import draft_recipe, needs_recipe
from wheelyard.domain.recipes.sdist_facts import SdistContents
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import FileExistsAlreadyError, InvalidSdistError
from wheelyard.resources import data_path
from wheelyard.settings import Settings, load_settings

_SCHEMA: Final = "recipe.schema.json"


def draft(requirement: str, *, target: Path | None) -> ExitCode:
    """Print a draft, or write it to a file that must not be there."""
    if target is not None and target.exists():
        raise FileExistsAlreadyError(path=target)
    release, (text, is_needed) = asyncio.run(_fetch_and_draft(requirement, load_settings()))
    if target is None:
        print(text, end="")  # noqa: T201  (as it is, for a file)
    else:
        _write(text, target)
    if not is_needed:
        note(f"{release.project} {release.version} seems to need no recipe: try 'wheelyard recipe test' without one")
    return ExitCode.OK


def _write(text: str, target: Path) -> None:
    """Write a draft, and beside it the schema that its first line names, unless it is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    note(f"wrote {target}")
    schema = target.parent / _SCHEMA
    if not schema.exists():
        schema.write_bytes((data_path("recipes") / _SCHEMA).read_bytes())
        note(f"wrote {schema}, by which editors check it")


async def _fetch_and_draft(requirement: str, settings: Settings) -> tuple[Release, tuple[str, bool]]:
    wanted = parse_requirement(requirement)
    async with source_index(settings) as source, ParserProcesses() as parsers:
        page = await source.project(wanted.project)
        release = choose_release(wanted, page, python=settings.default_python)
        archive = await source.fetch(release.sdist)
        file = release.sdist.filename
        contents = await asyncio.to_thread(read_sdist, archive, filename=file)
        try:
            return release, await parsers.run(_draft, contents, release.project, file, what="its content")
        except RefusedTextError as error:
            raise InvalidSdistError(file=file, reason=str(error)) from error


def _draft(contents: SdistContents, project: str, filename: str) -> tuple[str, bool]:
    """Write a draft, and tell whether a recipe is needed at all."""
    text = draft_recipe(contents, project=project, filename=filename, schema=_SCHEMA)
    return text, needs_recipe(contents)
