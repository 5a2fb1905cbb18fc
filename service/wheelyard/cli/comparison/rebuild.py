"""Build a wheel again from its provenance, and print whether it has the same bytes."""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from wheelyard.api.schemas.builds import BuildView
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.assembly.parts import make_parts, recipe_registry
from wheelyard.assembly.trial import open_rebuild
from wheelyard.cli.client import open_client
from wheelyard.cli.comparison.compare import CompareOptions, compare_wheels, count_of, describe
from wheelyard.cli.comparison.files import local_wheel
from wheelyard.cli.console import messages, note, output, print_json
from wheelyard.cli.log_text import LogScreen
from wheelyard.cli.problem import ExitCode
from wheelyard.cli.report import exit_code_of_build, report_build
from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.comparison.wheels import Comparison
from wheelyard.domain.provenance.recorded import MOST_BYTES, RecordedBuild, read_recorded
from wheelyard.errors import FileExistsAlreadyError, NotRebuildableError, ServerUnreachableError
from wheelyard.logs import configure_logs
from wheelyard.provenance_check import SUFFIX
from wheelyard.settings import Settings, load_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class RebuildOptions:
    """How to build a wheel again."""

    provenance: Path | None
    """The file of its provenance object; None if it is beside the wheel or on the index."""
    keep: Path | None
    """Folder to save the new wheel in; None if only the result counts."""
    folder: Path | None
    """Folder of recipes that take precedence over all others: files of recipes are not recorded whole."""
    url: str | None


def rebuild_file(wheel: str, options: RebuildOptions, *, as_json: bool) -> ExitCode:
    """Print whether a wheel comes out the same; the log goes to standard error."""
    settings = load_settings()
    configure_logs(log_format=settings.log_format, level="error")
    with (
        local_wheel(wheel, settings, options.url, refused=NotRebuildableError) as path,
        _output(path.name, options.keep) as folder,
    ):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        recorded = read_recorded(_provenance_of(path, options), filename=path.name, sha256=digest)
        build, changes = asyncio.run(_build(recorded, options, settings, folder))
        if build.status is not Status.SUCCEEDED:
            return _report_failure(build, as_json=as_json)
        again = CompareOptions(other=_only_wheel(folder, recorded), exact=True)
        comparison = asyncio.run(compare_wheels(path, again, settings))
    if as_json:
        print_json({"identical": comparison.is_identical, "changes": changes, "comparison": asdict(comparison)})
    else:
        _report(comparison, changes)
    return ExitCode.OK if comparison.is_identical else ExitCode.BUILD_FAILED


@contextmanager
def _output(filename: str, keep: Path | None) -> Iterator[Path]:
    """Yield the empty folder that the new wheel gets into; copy it into the caller's when the block ends.

    Raises FileExistsAlreadyError if that one has a file of this name, which may be the wheel itself.
    """
    if keep is not None and (keep / filename).exists():
        raise FileExistsAlreadyError(path=keep / filename)
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for file in Path(folder).iterdir():
                shutil.copyfile(file, keep / file.name)
                note(f"kept {keep / file.name}")


def _provenance_of(path: Path, options: RebuildOptions) -> bytes:
    beside = path.with_name(path.name + SUFFIX)
    given = options.provenance or (beside if beside.exists() else None)
    if given is None:
        return _served_provenance(path.name, options.url)
    try:
        with given.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotRebuildableError(file=path.name, reason=f"{given} cannot be read ({error.strerror})") from error


def _served_provenance(filename: str, url: str | None) -> bytes:
    lacking = f"there is no {filename}{SUFFIX} beside it"
    try:
        with open_client(url) as client:
            found = client.get_provenance(filename)
    except ServerUnreachableError as error:
        raise NotRebuildableError(file=filename, reason=f"{lacking}, and no service to ask: {error.summary}") from error
    if not found:
        raise NotRebuildableError(file=filename, reason=f"{lacking}, nor on the service's index")
    return found


def _only_wheel(folder: Path, recorded: RecordedBuild) -> Path:
    wheels = [file for file in folder.iterdir() if file.suffix == ".whl"]
    if len(wheels) != 1:
        raise recorded.refuse(f"its build made {count_of(len(wheels), 'wheel')}")
    return wheels[0]


async def _build(
    recorded: RecordedBuild, options: RebuildOptions, settings: Settings, folder: Path
) -> tuple[Build, Sequence[str]]:
    """Return the new build, and what it could not have as it was."""
    parts = await make_parts(settings)
    recipes = recipe_registry(parts, *([options.folder] if options.folder else []))
    await recipes.update()
    async with open_rebuild(parts, recorded, recipes=recipes, keep=folder) as rebuild:
        screen = LogScreen(messages())
        try:
            return await rebuild.build(recorded, show=screen.show), rebuild.changes(recorded)
        finally:
            screen.end()


def _report_failure(build: Build, *, as_json: bool) -> ExitCode:
    view = BuildView.of(build, links=IndexLinks(base="", is_open=True))
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        output().print(report_build(view), soft_wrap=True)
    return exit_code_of_build(view)


def _report(comparison: Comparison, changes: Sequence[str]) -> None:
    lines = list(describe(comparison))
    if changes:
        lines += ["", f"  not as recorded: {count_of(len(changes), 'thing')}", *(f"    {one}" for one in changes)]
    for line in lines:
        output().print(plain_line(line), soft_wrap=True, markup=False, highlight=False)
    if comparison.is_identical:
        note("built again, it has the same bytes")
    elif changes:
        note("it came out different, but was not built from all that was recorded")
    else:
        note("it came out different although it was built from all that was recorded; a person should look at it")
