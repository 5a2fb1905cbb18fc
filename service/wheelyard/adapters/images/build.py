"""Build one image with the engine: its arguments, context, output and failure, and what the builds of one use share."""

import asyncio
import hashlib
import platform
import re
import shlex
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.process import Completed, LineCallback
from wheelyard.adapters.images.context import ContextFile, stream_context
from wheelyard.adapters.images.names import find_image, label_instruction
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.optimisation import OptimisedMode
from wheelyard.errors import (
    AlreadyRunningError,
    DiskFullError,
    EngineCommandError,
    ImageBuildFailedError,
    MirrorUnreachableError,
    OperatorError,
    SettingsInvalidError,
    SuiteUnavailableError,
)
from wheelyard.metrics import CacheLookups

_STAGE: Final = re.compile(r"^(?=FROM )", re.MULTILINE)
_FROM: Final = re.compile(r"FROM (?P<below>\S+) AS (?P<name>\S+)\n")
_COPY: Final = re.compile(r"^COPY --from=(\S+) ", re.MULTILINE)
_DEFAULT: Final = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


def select_stages(dockerfile: str, target: str, arguments: Mapping[str, str]) -> str:
    """Return the Dockerfile up to a stage, without the stages that it does not need.

    Args:
        dockerfile: Text of a Dockerfile whose stages all have names.
        target: Name of the stage that is wanted.
        arguments: Values of its ARGs; an image that is named here replaces the stage that is the default.

    Raises:
        ValueError: There is no such stage.
    """
    head, *stages = _STAGE.split(dockerfile)
    values = {**dict(_DEFAULT.findall(head)), **arguments}
    wanted, chosen = {target}, list[str]()
    for stage in reversed(stages):
        if _name(stage) in wanted:
            chosen.insert(0, stage)
            wanted |= set(_needs(stage, values))
    if not chosen:
        raise ValueError(f"the Dockerfile has no stage {target!r}, only {', '.join(map(_name, stages))}")
    return "".join([head, *chosen])


def replace_stage(dockerfile: str, other: str) -> str:
    """Return a Dockerfile with another text for the stage of the same name; comments before the new one are left out.

    Raises:
        ValueError: There is no such stage.
    """
    head, *stages = _STAGE.split(dockerfile)
    replacement = _STAGE.split(other)[1]
    if _name(replacement) not in map(_name, stages):
        raise ValueError(f"the Dockerfile has no stage {_name(replacement)!r}")
    return "".join([head, *(replacement if _name(one) == _name(replacement) else one for one in stages)])


def _name(stage: str) -> str:
    match = _FROM.match(stage)
    if match is None:
        raise ValueError(f"a stage of the Dockerfile has no name: {stage.partition(chr(10))[0]}")
    return match["name"]


def _needs(stage: str, values: Mapping[str, str]) -> Iterator[str]:
    """Yield what a stage starts from and what it copies from, including images."""
    below = stage.split(maxsplit=2)[1]
    yield _VARIABLE.sub(lambda match: values.get(match[1], match[0]), below)
    yield from _COPY.findall(stage)


_ARGUMENT: Final = re.compile(r"ARG (\w+)(?:=(\S*))?")
_INSTRUCTION: Final = re.compile(r"^[A-Z]+ ")


def fill_in_arguments(dockerfile: str, arguments: Mapping[str, str]) -> str:
    """Return a Dockerfile whose stages have the values of their ARGs in place of the ARGs.

    The classic builder makes and removes a container for each ARG, which takes it one to two seconds with
    fuse-overlayfs. A value is part of the command that can use it, so an engine's cache goes by it as before.
    """
    head, *stages = _STAGE.split(dockerfile)
    return "".join([head, *(_fill_in(stage, arguments) for stage in stages)])


def _fill_in(stage: str, arguments: Mapping[str, str]) -> str:
    first, *lines = stage.splitlines(keepends=True)
    values, written, in_run = dict[str, str](), [first], False
    for line in lines:
        if declared := _ARGUMENT.fullmatch(line.strip()):
            values[declared[1]] = arguments.get(declared[1], declared[2] or "")
            continue
        if _INSTRUCTION.match(line):
            in_run = line.startswith("RUN ")
        if not in_run:
            written.append(_VARIABLE.sub(lambda match: values.get(match[1], match[0]), line))
        elif values and line.startswith("RUN "):
            exported = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
            written.append(f"RUN export {exported}; {line.removeprefix('RUN ')}")
        else:
            written.append(line)
    return "".join(written)


_DISK_FULL: Final = re.compile(r"No space left on device|don't have enough free space|IO Error saving", re.IGNORECASE)
_QUOTA: Final = re.compile(r"Disk quota exceeded", re.IGNORECASE)
_SUITE_GONE: Final = re.compile(r"does not have a Release file|no longer has a Release file")
# Of apt, dnf and apk, in this order.
_UNKNOWN_PACKAGES: Final = (
    re.compile(r"^E: Unable to locate package ([\w.+:-]{1,100})$", re.MULTILINE),
    re.compile(r"^E: Package '([\w.+:-]{1,100})' has no installation candidate", re.MULTILINE),
    re.compile(r"^No match for argument: ([\w.+:-]{1,100})$", re.MULTILINE),
    re.compile(r"^\s*([\w.+:-]{1,100}) \(no such package\)", re.MULTILINE),
)
_UNREACHABLE: Final = re.compile(
    r"Could not connect to|Unable to connect to|Could not resolve|Temporary failure resolving|Connection timed out"
    r"|Connection refused|Could not wait for server fd|Cannot initiate the connection"
)


def explain_failure(output: str, *, image: str, suite: str) -> OperatorError:
    """Return the error that the end of a failed bootstrap's or build's output means."""
    if _DISK_FULL.search(output):
        return DiskFullError(path=f"the place where {image} is made", free_bytes=None)
    if _QUOTA.search(output):
        return DiskFullError(
            path=f"the place where {image} is made", free_bytes=None, quota_of="that the engine runs as"
        )
    # apt also ends with the lack of a Release file if no server answers, so that is checked first.
    if found := _line_with(_UNREACHABLE, output):
        return MirrorUnreachableError(suite=suite, excerpt=found)
    if found := _line_with(_SUITE_GONE, output):
        return SuiteUnavailableError(suite=suite, excerpt=found)
    return ImageBuildFailedError(image=image, excerpt=output)


def find_unknown_packages(output: str) -> tuple[str, ...]:
    """Return the packages that a package manager does not know."""
    return tuple(dict.fromkeys(name for pattern in _UNKNOWN_PACKAGES for name in pattern.findall(output)))


def _line_with(pattern: re.Pattern[str], output: str) -> str | None:
    return next((line.strip() for line in output.splitlines() if pattern.search(line)), None)


_EXCERPT_LINES: Final = 20
_POLL_SECONDS: Final = 0.25
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageBuild:
    """What the engine is to build."""

    tag: str
    labels: dict[str, str]
    """Our labels, including ``definition``."""
    dockerfile: str
    files: tuple[ContextFile, ...] = ()
    """The context's other files."""
    folders: tuple[str, ...] = ()
    """Folders of the context that may be empty."""
    target: str | None = None
    """Stage of the Dockerfile; the last one by default."""
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageOptions:
    """How images are made on this host."""

    lock_dir: Path
    """Directory of the locks that keep two workers of one host from building the same image twice."""
    architecture: str = platform.machine()
    """Architecture of the images, such as ``aarch64``."""
    machine: str = platform.machine()
    """The engine's machine, such as ``x86_64``. Images of another architecture run emulated."""
    apt_mirror: str | None = None
    """Package mirror, for the bootstrap and inside the images. Default: the distribution's own."""
    apt_security_mirror: str | None = None
    """Mirror of the security archive. Default: ``apt_mirror`` with ``-security`` appended, as mirrors name it."""
    python_mirror: str | None = None
    """Mirror of ``www.python.org/ftp/python``, tried before the catalogue's addresses of CPython's sources."""
    base_image: str | None = None
    """Registry image to start from, with ``{suite}`` in it, or one for each suite: ``bookworm=debian@sha256:…`` and so
    on. Default: none, bases are bootstrapped."""
    ca_bundle: Path | None = None
    """PEM certificates to trust, here and in the images."""
    proxy: str | None = None
    """HTTP proxy for package managers in image builds. It is not stored in the images."""
    build_network: str | None = None
    """Network of image builds, such as ``host``. Default: the engine's."""
    index_url: str | None = None
    """Simple API that the tools' wheels come from. Default: the one that uv is configured for."""
    uv_program: str = field(default_factory=find_uv_bin)
    """Path of uv. Default: the one that is installed with Wheelyard."""
    mmdebstrap_program: str = "mmdebstrap"
    """Path of mmdebstrap."""
    timeout_seconds: float = 30.0
    """How long a mirror may stay silent, in seconds."""
    optimised: OptimisedMode = OptimisedMode.OFF
    """When Pythons are compiled with a profile."""
    disk_floor_bytes: int = 1 << 30
    """Free disk space in bytes that downloads leave."""
    lookups: CacheLookups = field(default_factory=CacheLookups, compare=False)
    """Counts which images were found, and which had to be made."""

    @property
    def is_emulated(self) -> bool:
        """Return whether the engine's machine emulates the architecture of the images."""
        return self.architecture != self.machine

    def definition(self) -> tuple[tuple[str, str], ...]:
        """Return what changes an image's content, for its definition. Blocks while it reads the CA bundle."""
        bundle = hashlib.sha256(self.ca_bundle.read_bytes()).hexdigest() if self.ca_bundle else ""
        return (
            ("apt-mirror", self.apt_mirror or ""),
            ("apt-security-mirror", self.apt_security_mirror or ""),
            ("base-image", self.base_image or ""),
            ("ca-bundle", bundle),
        )

    def base_image_of(self, suite: str) -> str | None:
        """Return the registry image that a suite starts from, None if bases are bootstrapped.

        Raises:
            SettingsInvalidError: Only images of other suites are set.
        """
        text = self.base_image or ""
        if "=" not in text:
            return text.format(suite=suite) or None
        named = dict(word.split("=", 1) for word in text.split() if "=" in word)
        if suite not in named:
            raise SettingsInvalidError(problems=[f"WHEELYARD_BASE_IMAGE names no image for {suite}"])
        return named[suite]

    def proxy_args(self) -> tuple[str, ...]:
        """Return the proxy as build arguments that engines keep out of an image's history."""
        if self.proxy is None:
            return ()
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        return tuple(part for name in names for part in ("--build-arg", f"{name}={self.proxy}"))


def discard_lines(_: str) -> None:
    """Ignore a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRun:
    """What images are made with in one use: a build of a wheel, a command of a person, or a refresh."""

    engine: EngineCommand
    options: ImageOptions
    report: LineCallback = discard_lines
    """Receives every line of the use: those of programs that make images, and our own."""

    @asynccontextmanager
    async def look_up(self, name: ImageName) -> AsyncIterator[ImageRecord | None]:
        """Yield an image; or None if it is missing, while a lock keeps other workers of this host from making it."""
        found = await find_image(self.engine, name.tag, name.definition)
        self.options.lookups.note("images", found=found is not None)
        if found:
            yield found
            return
        with disk_errors(self.options.lock_dir):
            async with self.locked(name.tag):
                yield await find_image(self.engine, name.tag, name.definition)

    @asynccontextmanager
    async def locked(self, image: str) -> AsyncIterator[None]:
        """Hold an image's lock; wait while another worker holds it.

        It polls, because a thread that blocks in flock could not be cancelled.
        """
        await asyncio.to_thread(self.options.lock_dir.mkdir, parents=True, exist_ok=True)
        lock = FileLock(self.options.lock_dir / (image.replace("/", "_").replace(":", "_") + ".lock"))
        await self._acquire(lock, image)
        try:
            yield
        finally:
            lock.release()

    async def _acquire(self, lock: FileLock, image: str) -> None:
        waiting = False
        while True:
            try:
                return lock.acquire()
            except AlreadyRunningError:
                if not waiting:
                    self.report(f"{image}: it is being made, waiting")
                waiting = True
                await asyncio.sleep(_POLL_SECONDS)

    async def ask_archive(self, image: ImageRecord, script: str) -> Completed:
        """Run a script that asks an image's package archive, as root in a temporary container with a network.

        It runs no project's code.

        Raises:
            MirrorUnreachableError: The archive does not answer.
            SuiteUnavailableError: The archive no longer has the suite.
        """
        options = self.options
        network = ["--network", options.build_network] if options.build_network else []
        proxy = [f"{name}={options.proxy}" for name in ("http_proxy", "https_proxy")] if options.proxy else []
        environment = [part for one in ("LC_ALL=C.UTF-8", *proxy) for part in ("--env", one)]
        args = ["run", "--rm", "--user", "0:0", "--label", PROJECT_LABEL, *environment, *network]
        try:
            return await self.engine.run([*args, *self.engine.ulimit_args, image.id, "sh", "-euc", script])
        except EngineCommandError as error:
            raise explain_failure(error.output, image=image.name, suite=image.labels.get("suite", "")) from error

    async def build(self, build: ImageBuild) -> ImageRecord:
        """Build and tag an image, and return its record.

        Raises:
            ImageBuildFailedError: The build ended with an error; has its last lines.
        """
        self.report(f"{build.tag}: building")
        tail: deque[str] = deque(maxlen=_EXCERPT_LINES)

        def on_line(line: str) -> None:
            plain = _COLOURS.sub("", line).rstrip()
            if plain:
                tail.append(plain)
                self.report(plain)

        dockerfile = ContextFile(name="Dockerfile", content=_write_dockerfile(build).encode())
        context = stream_context([dockerfile, *build.files], folders=build.folders)
        try:
            await self.engine.run(_arguments(self.engine, build, self.options), stdin=context, on_line=on_line)
        except EngineCommandError as error:
            suite = build.labels.get("suite", "of the builder")
            raise explain_failure("\n".join(tail), image=build.tag, suite=suite) from error
        image = await find_image(self.engine, build.tag, build.labels["definition"])
        if image is None:
            raise ImageBuildFailedError(image=build.tag, excerpt="the engine reports success, but has no such image")
        return image


def _write_dockerfile(build: ImageBuild) -> str:
    """Return the Dockerfile up to the wanted stage, with all labels in one instruction.

    The classic builder builds every stage above its target, so unused stages are left out. Only BuildKit skips them:
    https://docker.com/blog/advanced-dockerfiles-faster-builds-and-smaller-images-using-buildkit-and-multistage-builds

    With ``--label``, the classic builder makes one layer for each label, which takes it one to three seconds.
    """
    text = build.dockerfile
    if build.target:
        text = select_stages(text, build.target, build.build_args)
    text = fill_in_arguments(text, build.build_args)
    return f"{text.rstrip()}\n{label_instruction(build.labels)}\n"


def _arguments(engine: EngineCommand, build: ImageBuild, options: ImageOptions) -> list[str]:
    return [
        "build",
        "--force-rm",
        *engine.ulimit_args,
        *(["--network", options.build_network] if options.build_network else []),
        *options.proxy_args(),
        *(part for name, value in build.build_args.items() for part in ("--build-arg", f"{name}={value}")),
        *("--tag", build.tag),
        "-",
    ]
