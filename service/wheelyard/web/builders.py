"""The page of builders: which suites there are, their images, and which updates these lack."""

from collections.abc import Sequence

from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus, ImageSummary
from wheelyard.errors import NotFoundError, WheelyardError
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.rendering import Page

_SHOWN_PACKAGES = 500


async def show_builders(context: PageContext) -> Page:
    """Show the catalogue, the workers' images of it, and the workers."""
    builders, problem = await _builders(context)
    workers = await context.services.workers.list_workers()
    values = {"builders": builders, "problem": problem, "workers": workers}
    return Page(template="builders.html", title="Builders", values=values)


async def _builders(context: PageContext) -> tuple[Sequence[BuilderStatus], str]:
    async def ask() -> tuple[Sequence[BuilderStatus], str]:
        try:
            return await context.services.builders(), ""
        except WheelyardError as error:
            return (), error.summary

    return await recent_answer(context.request, "builders", ask, seconds=20)


async def show_image(context: PageContext) -> Page:
    """Show what is in an image: system packages, Pythons and tools, as its SBOM lists them."""
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
        return None, f"It is on {image.host or 'a worker'}, whose engine this host cannot ask."
    try:
        # An image never changes, so what was read once stays true.
        return await recent_answer(context.request, f"image {image.id}", lambda: read(image.id), seconds=86_400), ""
    except WheelyardError as error:
        return None, error.summary
