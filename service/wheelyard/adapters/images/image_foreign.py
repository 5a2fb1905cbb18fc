"""Images of others: brought here once, and known by what they are. Must not know what is made of them."""

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.external import ForeignPlan
from wheelyard.adapters.images.names import ImageRecord, find_image
from wheelyard.errors import EngineCommandError, ImageBuildFailedError


async def fetch_foreign(engine: EngineCommand, plan: ForeignPlan, on_progress: LineCallback) -> tuple[ImageRecord, str]:
    """Return the image and its digest: that of the registry, or its own id if it is of this host alone.

    It is asked for again at a refresh; if the registry does not answer then, the one that is here will do.

    Raises:
        ImageBuildFailedError: it is not here and cannot be pulled.
    """
    reference = plan.entry.image
    found = None if plan.revision else await find_image(engine, reference)
    if found is None:
        on_progress(f"{plan.suite}: pulling {reference}")
        try:
            await engine.run(["pull", reference], on_line=on_progress)
        except EngineCommandError as error:
            on_progress(f"{plan.suite}: {reference} cannot be pulled")
            found = await find_image(engine, reference)
            if found is None:
                raise ImageBuildFailedError(image=reference, excerpt=error.output) from error
        found = found or await find_image(engine, reference)
    if found is None:
        raise ImageBuildFailedError(image=reference, excerpt="the engine reports success, but has no such image")
    digests = (await engine.run(["image", "inspect", "--format", '{{join .RepoDigests " "}}', reference])).text.split()
    return found, digests[0].rpartition("@")[2] if digests else found.id
