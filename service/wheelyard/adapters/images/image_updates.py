"""Pending updates: what the suite's archive has that an image does not. Must not change any image."""

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.contents import manager_of
from wheelyard.adapters.images.image_failures import explain_failure
from wheelyard.adapters.images.names import PROJECT_LABEL, ImageRecord
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.errors import EngineCommandError


async def find_updates(engine: EngineCommand, image: ImageRecord, options: ImageOptions) -> tuple[PackageChange, ...]:
    """Ask the archive, as root in a container that is thrown away; no code of any project is in the image.

    Raises:
        MirrorUnreachableError: the archive does not answer.
        SuiteUnavailableError: the archive no longer has the suite.
    """
    network = ["--network", options.build_network] if options.build_network else []
    proxy = ["--env", f"http_proxy={options.proxy}", "--env", f"https_proxy={options.proxy}"] if options.proxy else []
    manager = manager_of(image)
    args = ["run", "--rm", "--user", "0:0", "--env", "LC_ALL=C.UTF-8", "--label", PROJECT_LABEL, *network, *proxy]
    try:
        simulated = await engine.run([*args, *engine.ulimit_args, image.id, "sh", "-euc", manager.list_updates])
    except EngineCommandError as error:
        raise explain_failure(error.output, image=image.tags[0], suite=image.labels.get("suite", "")) from error
    return manager.parse_updates(simulated.text)
