"""One image build by the engine: arguments, context, output, failure. Must not know which images there are."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.context import ContextFile, stream_context
from wheelyard.adapters.images.names import ImageRecord, find_image, label_instruction
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.errors import (
    DiskFullError,
    EngineCommandError,
    ImageBuildFailedError,
    MirrorUnreachableError,
    OperatorError,
    SuiteUnavailableError,
)

_STAGE: Final = re.compile(r"^(?=FROM )", re.MULTILINE)
_FROM: Final = re.compile(r"FROM (?P<below>\S+) AS (?P<name>\S+)\n")
_COPY: Final = re.compile(r"^COPY --from=(\S+) ", re.MULTILINE)
_DEFAULT: Final = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


def select_stages(dockerfile: str, target: str, arguments: Mapping[str, str]) -> str:
    """Give the Dockerfile up to a stage, without the stages that this one does not need.

    Args:
        dockerfile: text of a Dockerfile whose stages all have names.
        target: name of the stage that is wanted.
        arguments: values of its ARGs; one that names an image takes the place of the stage that is the default.

    Raises:
        ValueError: there is no such stage.
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


def _name(stage: str) -> str:
    match = _FROM.match(stage)
    if match is None:
        raise ValueError(f"a stage of the Dockerfile has no name: {stage.partition(chr(10))[0]}")
    return match["name"]


def _needs(stage: str, values: Mapping[str, str]) -> Iterator[str]:
    """Name what a stage starts from and what it copies from, images among it."""
    below = stage.split(maxsplit=2)[1]
    yield _VARIABLE.sub(lambda match: values.get(match[1], match[0]), below)
    yield from _COPY.findall(stage)


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
    """Turn the end of a failed bootstrap's or build's output into the error that it means."""
    if _DISK_FULL.search(output):
        return DiskFullError(path=f"the place where {image} is made", free_bytes=None)
    if _QUOTA.search(output):
        return DiskFullError(
            path=f"the place where {image} is made", free_bytes=None, quota_of="that the engine runs as"
        )
    # apt ends with the lack of a Release file also if nobody answers, so that is asked first.
    if found := _line_with(_UNREACHABLE, output):
        return MirrorUnreachableError(suite=suite, excerpt=found)
    if found := _line_with(_SUITE_GONE, output):
        return SuiteUnavailableError(suite=suite, excerpt=found)
    return ImageBuildFailedError(image=image, excerpt=output)


def find_unknown_packages(output: str) -> tuple[str, ...]:
    """Name the packages that a package manager does not know."""
    return tuple(dict.fromkeys(name for pattern in _UNKNOWN_PACKAGES for name in pattern.findall(output)))


def _line_with(pattern: re.Pattern[str], output: str) -> str | None:
    return next((line.strip() for line in output.splitlines() if pattern.search(line)), None)


_EXCERPT_LINES: Final = 20
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageBuild:
    """What the engine is asked to build."""

    tag: str
    labels: dict[str, str]
    """Labels of ours, ``definition`` among them."""
    dockerfile: str
    files: tuple[ContextFile, ...] = ()
    """The context's other files."""
    folders: tuple[str, ...] = ()
    """Folders of the context that may be empty."""
    target: str | None = None
    """Stage of the Dockerfile; the last one by default."""
    build_args: Mapping[str, str] = field(default_factory=dict)


async def build_image(
    engine: EngineCommand, build: ImageBuild, *, options: ImageOptions, on_progress: LineCallback
) -> ImageRecord:
    """Build and tag an image.

    Raises:
        ImageBuildFailedError: the build ended with an error; has its last lines.
    """
    on_progress(f"{build.tag}: building")
    tail: deque[str] = deque(maxlen=_EXCERPT_LINES)

    def on_line(line: str) -> None:
        plain = _COLOURS.sub("", line).rstrip()
        if plain:
            tail.append(plain)
            on_progress(plain)

    dockerfile = ContextFile(name="Dockerfile", content=_write_dockerfile(build).encode())
    context = stream_context([dockerfile, *build.files], folders=build.folders)
    try:
        await engine.run(_arguments(engine, build, options), stdin=context, on_line=on_line)
    except EngineCommandError as error:
        suite = build.labels.get("suite", "of the builder")
        raise explain_failure("\n".join(tail), image=build.tag, suite=suite) from error
    return await _expect_image(engine, build)


def _write_dockerfile(build: ImageBuild) -> str:
    """End the Dockerfile with the wanted stage and put the labels on it, all in one instruction.

    The classic builder makes every stage above its target, so those that it does not need are left out; and with
    ``--label`` it makes one layer for each label, which costs it one to three seconds.
    """
    text = build.dockerfile
    if build.target:
        text = select_stages(text, build.target, build.build_args)
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


async def _expect_image(engine: EngineCommand, build: ImageBuild) -> ImageRecord:
    image = await find_image(engine, build.tag, build.labels["definition"])
    if image is None:
        raise ImageBuildFailedError(image=build.tag, excerpt="the engine reports success, but has no such image")
    return image
