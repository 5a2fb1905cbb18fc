"""The pages of builders: suites, their images and pending updates."""

from collections.abc import Sequence

from wheelyard.api.schemas.builds import SourceTryView, TargetView
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus, ImageSummary
from wheelyard.domain.packaging.target import python_order
from wheelyard.errors import NotFoundError, WheelyardError
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.rendering import Page

_SHOWN_PACKAGES = 500


async def show_builders(context: PageContext) -> Page:
    """Show the suites with their images, and the workers."""
    builders, problem = await _builders(context)
    workers = await context.services.workers.list_workers()
    plan, default = context.services.request_build, context.services.defaults
    targets = [TargetView.of(target, default=default, reach=plan.reach_of(target)) for target in plan.targets()]
    values = {"builders": builders, "problem": problem, "workers": workers, "pythons": _by_python(targets)}
    return Page(template="builders.html", title="Builders", values=values)


def _by_python(targets: Sequence[TargetView]) -> list[list[TargetView]]:
    """Return the targets of each Python, in their order; those of one Python with the same answers stand together."""
    groups: dict[tuple[str, str, tuple[SourceTryView, ...]], list[TargetView]] = {}
    for target in targets:
        tried = target.problem.tried if target.problem else ()
        groups.setdefault((target.python, target.release, tried), []).append(target)
    return sorted(groups.values(), key=lambda group: _newest_first(group[0].python))


def _newest_first(python: str) -> tuple[int, int, bool]:
    major, minor, is_free_threaded = python_order(python)
    return -major, -minor, is_free_threaded


async def _builders(context: PageContext) -> tuple[Sequence[BuilderStatus], str]:
    async def ask() -> tuple[Sequence[BuilderStatus], str]:
        try:
            return await context.services.builders(), ""
        except WheelyardError as error:
            return (), error.summary

    return await recent_answer(context.request, "builders", ask, seconds=20)


async def show_image(context: PageContext) -> Page:
    """Show the contents of an image from its SBOM: system packages, Pythons and tools."""
    wanted = context.part("image_id")
    builders, _ = await _builders(context)
    image = next((image for one in builders for image in one.images if image.id == wanted), None)
    if image is None:
        raise NotFoundError(kind="image", name=wanted)
    content, problem = await _content(context, image)
    begins = context.asked("q")[:100].lower()
    packages = [one for one in content.packages if one.name.startswith(begins)] if content else []
    values = {
        "image": image,
        "content": content,
        "problem": problem,
        "wanted": begins,
        "packages": packages[:_SHOWN_PACKAGES],
        "found": len(packages),
    }
    return Page(template="image.html", title=f"Image {image.name or image.id[:19]}", values=values)


async def _content(context: PageContext, image: ImageSummary) -> tuple[ImageContent | None, str]:
    read = context.services.image_content
    if read is None:
        return None, f"The image is on {image.host or 'a worker'}, and this host has no access to its engine."
    try:
        # An image never changes, so its contents are cached for a day.
        return await recent_answer(context.request, f"image {image.id}", lambda: read(image.id), seconds=86_400), ""
    except WheelyardError as error:
        return None, error.summary
