"""Base images: a suite bootstrapped from its signed archive, or pulled from a registry if the operator sets one."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.disk import check_free_space
from wheelyard.adapters.host.process import run_program
from wheelyard.adapters.images.build import ImageBuild, ImageOptions, ImageRun, explain_failure
from wheelyard.adapters.images.context import stream_file
from wheelyard.adapters.images.names import find_image, label_changes
from wheelyard.domain.catalogue.architectures import DEBIAN_ARCHITECTURES
from wheelyard.domain.catalogue.archive import ArchiveDate, write_dates
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.errors import ImageBuildFailedError

_EXCERPT_LINES: Final = 12
# The first address of a sources.list ("deb [options] URL suite") or of a deb822 file ("URIs: URL").
_MIRROR: Final = re.compile(r"^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(\S+://\S+)", re.MULTILINE)
# Documentation, translations and recommended packages are of no use in an image. The options stay in the image, so they
# also hold for later installations.
_SLIM: Final = (
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
)
# Without this hook, the essential package usrmerge and 48 MB of Perl are installed to do what is already done:
# https://gitlab.mister-muffin.de/josch/mmdebstrap/raw/commit/034698f8d3b10fbd6b56d6a6ad706388659adb4d/hooks/merged-usr/setup00.sh
_MERGED_USR: Final = "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr"

# It would ask the package arch-test whether the emulator works; we ask the kernel (adapters/host/emulation.py).
_EMULATED: Final = ("--skip=check/qemu",)

# Printing in a hook is the one way out of the bootstrap that works in every mode of mmdebstrap.
_RELEASE: Final = "wheelyard-release "
_PRINT_DATES: Final = (
    '--customize-hook=for file in "$1"/var/lib/apt/lists/*Release; do'
    f""" printf '{_RELEASE}%s %s\\n' "${{file##*/}}" "$(sed -n '/^Date: /{{s///p;q}}' "$file")"; done"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseRequest:
    """The base image that is wanted."""

    suite: str
    definition: str
    """Digest of what determines it."""
    source_date_epoch: int
    entry: Suite
    """The suite's entry in the catalogue."""
    revision: str = ""
    suffix: str = ""
    """Ends the image's name, if it is of an emulated architecture."""

    @property
    def name(self) -> ImageName:
        """The base image's name."""
        return ImageName(name=f"base-{self.suite}{self.suffix}", definition=self.definition, revision=self.revision)


async def make_base(run: ImageRun, request: BaseRequest) -> ImageRecord:
    """Make the base and return its record, with the digest of the bootstrapped tar or of the registry's image."""
    if (reference := run.options.base_image_of(request.suite)) is not None:
        return await _pull(run, request, reference)
    with tempfile.TemporaryDirectory(prefix="wheelyard-base-", ignore_cleanup_errors=True) as folder:
        tar = Path(folder, "base.tar")
        return await _import(run.engine, request, tar, await bootstrap_base(run, request, tar))


async def bootstrap_base(run: ImageRun, request: BaseRequest, tar: Path) -> tuple[ArchiveDate, ...]:
    """Write a suite's root file system as a tar; the same state of the archive gives the same bytes.

    Returns:
        The state of each archive that it came from.

    Raises:
        SuiteUnavailableError: The mirror does not have the suite.
        MirrorUnreachableError: The mirror does not answer.
        DiskFullError: There is too little space for it.
    """
    options = run.options
    run.report(f"{request.name.tag}: bootstrapping {request.suite} from its signed archive")
    tail: deque[str] = deque(maxlen=_EXCERPT_LINES)
    dates: list[ArchiveDate] = []

    def on_line(line: str) -> None:
        tail.append(line)
        run.report(line)
        if line.startswith(_RELEASE):
            dates.append(_read_date(request, line))

    await asyncio.to_thread(check_free_space, tar.parent, options.disk_floor_bytes)
    env = {**os.environ, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(request.source_date_epoch)}
    if options.proxy:
        env |= {"http_proxy": options.proxy, "https_proxy": options.proxy}
    completed = await run_program(_bootstrap_command(request, tar, options), on_line=on_line, env=env)
    if completed.returncode:
        raise explain_failure("\n".join(tail), image=request.name.tag, suite=request.suite)
    return tuple(sorted(dates))


def _read_date(request: BaseRequest, line: str) -> ArchiveDate:
    """Parse a line of the hook; raise ImageBuildFailedError if the archive's Release file has no usable date."""
    _, _, text = line.partition(" ")
    file_name, _, date = text.partition(" ")
    try:
        return ArchiveDate.of_release(file_name, date)
    except ValueError as error:
        excerpt = f"the archive's Release file {file_name} has the date {date!r}, which is invalid"
        raise ImageBuildFailedError(image=request.name.tag, excerpt=excerpt) from error


def _bootstrap_command(request: BaseRequest, tar: Path, options: ImageOptions) -> list[str]:
    return [
        options.mmdebstrap_program,
        "--variant=minbase",
        f"--architectures={DEBIAN_ARCHITECTURES[options.architecture]}",
        *(_EMULATED if options.is_emulated else ()),
        "--include=ca-certificates,tzdata",
        f"--components={','.join(request.entry.components)}",
        *_SLIM,
        _MERGED_USR,
        _PRINT_DATES,
        request.suite,
        str(tar),
        *_mirror_lines(request, options),
    ]


def _mirror_lines(request: BaseRequest, options: ImageOptions) -> list[str]:
    """Return the suite's or the operator's mirrors; none for the distribution's own, which mmdebstrap knows."""
    suite, entry = request.suite, request.entry
    mirrors = entry.mirrors or _operators_mirrors(options)
    if mirrors is None:
        return []
    mirror, security = mirrors
    # The Release files of a snapshot have expired, see Check-Valid-Until in sources.list(5).
    deb, components = "deb [check-valid-until=no]" if entry.snapshot else "deb", " ".join(entry.components)
    return [
        f"{deb} {mirror} {suite} {components}",
        f"{deb} {mirror} {suite}-updates {components}",
        f"{deb} {security} {suite}-security {components}",
    ]


def _operators_mirrors(options: ImageOptions) -> tuple[str, str] | None:
    if not options.apt_mirror:
        return None
    mirror = options.apt_mirror.rstrip("/")
    return mirror, (options.apt_security_mirror or f"{mirror}-security").rstrip("/")


async def _import(engine: EngineCommand, request: BaseRequest, tar: Path, dates: Sequence[ArchiveDate]) -> ImageRecord:
    digest = await asyncio.to_thread(_file_digest, tar)
    changes = label_changes({**_labels(request, digest), "archive-dates": write_dates(dates)})
    await engine.run(["import", *changes, "-", request.name.tag], stdin=stream_file(tar))
    image = await find_image(engine, request.name.tag, request.definition)
    if image is None:
        raise ImageBuildFailedError(image=request.name.tag, excerpt="the engine did not keep the imported base")
    return image


async def _pull(run: ImageRun, request: BaseRequest, reference: str) -> ImageRecord:
    """Pull the registry's image and add our labels to it."""
    run.report(f"{request.name.tag}: pulling {reference}")
    await run.engine.run(["pull", reference], on_line=run.report)
    inspected = await run.engine.run(["image", "inspect", "--format", "{{index .RepoDigests 0}}", reference])
    build = ImageBuild(
        tag=request.name.tag,
        labels=_labels(request, inspected.text.rpartition("@")[2]),
        dockerfile=f"FROM {reference}\n",
    )
    return await run.build(build)


async def read_apt_mirror(engine: EngineCommand, base: str) -> str | None:
    """Return the package mirror that an image uses; None if it has none."""
    script = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"
    isolation = ["--rm", "--pull=never", "--network", "none", *engine.ulimit_args, "--label", PROJECT_LABEL]
    listed = await engine.run(["run", *isolation, base, "sh", "-c", script])
    match = _MIRROR.search(listed.text)
    return match[1].rstrip("/") if match else None


def _labels(request: BaseRequest, digest: str) -> dict[str, str]:
    labels = {"role": "base", "suite": request.suite, "base-digest": digest, "definition": request.definition}
    return {**labels, "revision": request.revision} if request.revision else labels


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
