"""The API's port: taken before anything is started, opened when there is something to answer. Must not answer."""

import contextlib
import socket
from collections.abc import Iterator

from wheelyard.errors import ServiceStartError
from wheelyard.settings import Settings


@contextlib.contextmanager
def holding_port(settings: Settings) -> Iterator[socket.socket]:
    """Hold the API's port without listening yet, so that early callers are refused and do not wait.

    Raises ServiceStartError if somebody else has it.
    """
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        # As servers do, so that connections of the last one that linger do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # An answer is two writes, and without this the second waits up to 40 ms for the caller's acknowledgement of the
        # first. asyncio sets it only on connections whose protocol is spelt out (base_events._set_nodelay), not
        # with a socket that is made here. Connections take it over from the socket that listens.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise _cannot_be_had(settings, error) from error
        yield listener


def open_port(settings: Settings, listener: socket.socket) -> None:
    """Let callers in; raises ServiceStartError if somebody who held the same port was quicker."""
    try:
        listener.listen()
    except OSError as error:
        raise _cannot_be_had(settings, error) from error


def _cannot_be_had(settings: Settings, error: OSError) -> ServiceStartError:
    reason = f"{settings.host}:{settings.port} cannot be had ({error.strerror}); choose another WHEELYARD_PORT"
    return ServiceStartError(service="The API", reason=reason)


def url_of(listener: socket.socket) -> str:
    """Give the address that the port is reached at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
