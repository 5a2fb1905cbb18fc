"""Whether a build gets the network that its recipe asks for: the operator decides, and the default is no."""

from wheelyard.errors import NetworkRefusedError
from wheelyard.interfaces import Network
from wheelyard.pipeline.job import Job, Tools


def granted_network(job: Job, tools: Tools) -> Network:
    """Say what the build container may reach.

    Raises:
        NetworkRefusedError: its recipe asks for a network, and there is none for it.
    """
    order = job.claim.order
    if not order.recipe.network:
        return Network.NONE
    if not tools.network_for_recipes:
        raise NetworkRefusedError(release=f"{order.project} {order.version}")
    return Network.RECIPE
