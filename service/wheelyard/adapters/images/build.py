"""One image build by the engine: arguments, context, output, failure. Must not know which images there are."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.context import ContextFile, stream_context
from wheelyard.adapters.images.image_failures import explain_failure
from wheelyard.adapters.images.image_stages import select_stages
from wheelyard.adapters.images.names import ImageRecord, find_image, label_instruction
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.errors import EngineCommandError, ImageBuildFailedError

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
