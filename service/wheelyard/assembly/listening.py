"""The API's port and its connections: bound before anything is started, with limits against callers that take all.

uvicorn closes idle connections, but waits for ever for the rest of a request, and for a reader that has stopped
(https://github.com/Kludex/uvicorn/issues/157). Here every connection has a time limit for its present step, a limit by
its address, and one for all.
"""

import asyncio
import contextlib
import functools
import re
import resource
import socket
import struct
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from wheelyard.api.problems import REASON_PHRASE, Problem, problem_response
from wheelyard.assembly.zero_copy import SentPart, ZeroCopySend
from wheelyard.domain.addresses import caller_of_address, plain_address
from wheelyard.domain.prebuilds.webhook import read_network
from wheelyard.errors import RequestTooLargeError, ServiceStartError, TooManyConnectionsError, WheelyardError
from wheelyard.logs import get_logger
from wheelyard.settings import Settings

_log: Final = get_logger(__name__)
_SWEEP_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5
_RESERVED_FILES: Final = 256
"""Open files that are reserved for the database, programs and everything else that is not a caller."""
# Linux' struct tcp_info up to tcpi_bytes_acked.
_TCP_INFO: Final = struct.Struct("=120xQ")


_STATUS_LINE: Final = (b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5")
"""The beginning of an answer, but not of ``100 Continue``."""
_STATUS_BYTES: Final = len(b"HTTP/1.1 400")
_LONGEST_PHRASE: Final = 1000
_NOT_IN_PHRASE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """The limits of connections."""

    head_seconds: float = 10.0
    """Time for a request's head, from the first byte, or from the beginning of the connection."""
    head_bytes: int = 64 << 10
    """Size of a request's head and of what is around its body."""
    idle_seconds: int = 5
    """Time until the next request."""
    body_seconds: float = 20.0
    """Time for a body, in addition to the time for its bytes."""
    bytes_per_second: int = 1 << 10
    """Lowest rate at which a body must come, and a waiting answer must be read."""
    reading_seconds: float = 60.0
    """How often the rate at which a waiting answer is read is checked."""
    linger_seconds: float = 5.0
    """Time for a caller that still sends a body after its answer."""
    per_address: int = 1024
    """Connections of one address; 0 is no limit. Of an IPv6 address the first half counts, which one customer has."""
    total: int = 4096
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()
    """Proxies, which hold connections for many callers."""

    @classmethod
    def of(cls, settings: Settings) -> "ConnectionLimits":
        """Return the operator's limits, as far as this process may open files."""
        return cls(
            per_address=settings.connections_per_address,
            total=max(16, min(settings.connections, _allowed_files() - _RESERVED_FILES)),
            trusted=tuple(filter(None, map(read_network, settings.trusted_proxies))),
        )


def _allowed_files() -> int:
    """Raise this process's own limit of open files, and return it.

    The usual limit of 1,024 only exists for programs that use select() (https://github.com/golang/go/issues/46279).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


class _AnswerTransport:
    """A transport for the answer to a request with a body.

    It puts the reason phrase of an answer into its status line (RFC 9112, section 4): uvicorn has one phrase for each
    status, and the upload tool twine shows nothing of an answer but the phrase. And it leaves it to the protocol how
    the connection is closed.
    """

    def __init__(self, transport: asyncio.Transport, phrases: list[str], close: Callable[[], None]) -> None:
        self._transport = transport
        self._phrases = phrases
        self.close = close

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write bytes; the first ones of an answer begin with its status line."""
        if self._phrases and data.startswith(_STATUS_LINE):
            line, _, rest = data.partition(b"\r\n")
            phrase = _NOT_IN_PHRASE.sub(" ", self._phrases.pop())[:_LONGEST_PHRASE].strip()
            data = line[:_STATUS_BYTES] + b" " + phrase.encode("ascii", "replace") + b"\r\n" + rest
        self._transport.write(data)


def _take_answer(cycle: RequestResponseCycle, close: Callable[[], None]) -> None:
    """Let a request's answer have a reason phrase of its own, what it puts into the scope's extension, and its end."""
    phrases: list[str] = []
    extensions: dict[str, Any] = cast("dict[str, Any]", cycle.scope).setdefault("extensions", {})
    extensions[REASON_PHRASE] = phrases
    cycle.transport = cast("asyncio.Transport", _AnswerTransport(cycle.transport, phrases, close))


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also records since when it waits for what."""

    def __init__(self, *, open_connections: "Connections", **arguments: Any) -> None:  # noqa: ANN401  uvicorn's own
        super().__init__(**arguments)
        self._open = open_connections
        self._limits = open_connections.limits
        self._head_since: float | None = None
        """Set while a head is awaited: from the beginning, then from the first byte of each further request."""
        self._body_since: float | None = None
        self._linger_since: float | None = None
        self._refused = False
        self._around_bytes = 0
        """Received bytes of the present request, without its body."""
        self._body_bytes = 0
        self._part = SentPart()
        self._reading: tuple[float, int] | None = None
        """Since when an answer waits for its reader, and how many bytes had arrived then."""

    @property
    def answers(self) -> bool:
        """Return whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    @property
    def awaits_caller(self) -> bool:
        """Return whether nothing happens here until more of a request comes."""
        return not self.answers or self._body_since is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request, if there is room."""
        super().connection_made(transport)
        if self.client is not None:
            # A socket for both families reports IPv4 addresses as IPv6 ones, which no setting names.
            self.client = (plain_address(self.client[0]), self.client[1])
        self._head_since = self.loop.time()
        if not self._open.admit(self):
            self.refuse(TooManyConnectionsError(limit=self._limits.per_address))

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        self._open.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received bytes, within the limits of a head."""
        if self._refused or self.transport.is_closing():
            return
        if self._head_since is None and self._body_since is None:
            self._begin_head()
        body_bytes = self._body_bytes
        self._around_bytes += len(data)
        super().data_received(data)
        self._around_bytes -= self._body_bytes - body_bytes
        # A chunked body has some bytes around each chunk.
        if self._around_bytes > self._limits.head_bytes + 8 * self._body_bytes and not self.transport.is_closing():
            self.refuse(RequestTooLargeError(limit_bytes=self._limits.head_bytes))

    def _begin_head(self) -> None:
        self._head_since = self.loop.time()
        self._around_bytes = self._body_bytes = 0

    def on_message_begin(self) -> None:
        """Start a new count; a further request may begin in the bytes received with the former one."""
        super().on_message_begin()
        if self._head_since is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """Start to wait for the body."""
        self._head_since, self._body_since = None, self.loop.time()
        former = self.cycle
        super().on_headers_complete()
        if self.cycle is former:
            return
        method = self.cycle.scope["method"]
        if method == "POST":
            _take_answer(self.cycle, self._close_after_answer)
        elif method == "GET":
            ZeroCopySend.put_into(self.cycle, self.loop, self._part)

    def on_body(self, body: bytes) -> None:
        """Count the bytes, which extend the time for the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the time: only our own answer is missing."""
        self._body_since = self._linger_since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start to wait for the next request; a caller that still sends an answered body gets a time limit."""
        super().on_response_complete()
        if self._body_since is not None and not self.answers:
            self._linger_since = self.loop.time()
        if self._refused:
            self._unset_keepalive_if_required()

    def look(self, now: float) -> None:
        """Close the connection if its time is over."""
        limits = self._limits
        if self._is_read_too_slowly(now):
            self.abort()
        elif self._linger_since is not None:
            if now - self._linger_since > limits.linger_seconds:
                self.abort()
        elif self._body_since is not None:
            if self.flow.read_paused:
                self._body_since += _SWEEP_SECONDS
            elif now - self._body_since > limits.body_seconds + self._body_bytes / limits.bytes_per_second:
                self.abort()
        elif self._head_since is not None:
            if self.answers:
                self._head_since = now
            elif now - self._head_since > limits.head_seconds:
                self.abort()

    def abort(self) -> None:
        """Close the connection at once, and stop the part of a file that it may be sending."""
        self._part.stop()
        self.transport.abort()

    def _is_read_too_slowly(self, now: float) -> bool:
        if not self.transport.get_write_buffer_size() and self._part.task is None:
            self._reading = None
            return False
        acknowledged = self._acknowledged_bytes()
        since, before = self._reading = self._reading or (now, acknowledged)
        if now - since < self._limits.reading_seconds:
            return False
        self._reading = (now, acknowledged)
        return acknowledged - before < self._limits.bytes_per_second * (now - since)

    def _acknowledged_bytes(self) -> int:
        """Return how many bytes have arrived at the caller; the kernel has a buffer of its own behind ours."""
        sock: socket.socket = self.transport.get_extra_info("socket")
        acknowledged: int = _TCP_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))[0]
        return acknowledged

    def refuse(self, error: WheelyardError) -> None:
        """Answer with a problem, unless an answer has begun, and read no more of the request.

        An immediate close would reset the connection while the caller still sends, and the answer would be lost
        (https://github.com/KeepSafe/aiohttp/pull/1050).
        """
        if self.answers:
            self.abort()
            return
        answer = problem_response(Problem.of(error), headers={"Connection": "close"})
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
        status = f"HTTP/1.1 {answer.status_code} \r\n".encode()
        self.transport.write(status + fields + b"\r\n" + bytes(answer.body))
        self._unset_keepalive_if_required()
        self._end_sending()

    def _close_after_answer(self) -> None:
        """Close the connection, or let the caller first send what is left of a body that was answered before its end.

        A caller that has sent ``Connection: close`` would lose its answer to the reset, as ``refuse`` says.
        """
        if self._body_since is None:
            self.transport.close()
        else:
            self._end_sending()

    def _end_sending(self) -> None:
        """Send nothing more, and discard what comes until the caller has closed the connection, or its time is over."""
        self.transport.write_eof()
        self._refused, self._linger_since = True, self.loop.time()


class Connections:
    """All connections of this process, by address; the one that is idle for longest makes room for others."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: defaultdict[str, dict[BoundedProtocol, None]] = defaultdict(dict)
        self._count = 0

    def admit(self, new: BoundedProtocol) -> bool:
        """Add a connection; return False if there is no room for it, since all others are being answered."""
        address = new.client[0] if new.client else ""
        key, limit = caller_of_address(address), self.limits.per_address
        own = self._open[key]
        own[new] = None
        self._count += 1
        crowded = bool(limit) and len(own) > limit and not self._is_trusted(address)
        if crowded and not _make_way(own, new):
            return False
        if self._count > self.limits.total:
            # The address with most connections loses one first.
            return _make_way(max(self._open.values(), key=len), new)
        return True

    def forget(self, gone: BoundedProtocol) -> None:
        """Remove a connection that has ended."""
        key = caller_of_address(gone.client[0] if gone.client else "")
        if gone in self._open.get(key, ()):
            del self._open[key][gone]
            self._count -= 1
            if not self._open[key]:
                del self._open[key]

    async def watch(self) -> None:
        """Close connections whose time is over, each second, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in [one for own in self._open.values() for one in own]:
                _look(connection, now)

    def _is_trusted(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self.limits.trusted)
        except ValueError:
            return False


def _look(connection: BoundedProtocol, now: float) -> None:
    try:
        connection.look(now)
    except Exception:  # noqa: BLE001  one connection must not end the watch over all others
        _log.exception("connection-not-watched")
        connection.abort()


def _make_way(connections: dict[BoundedProtocol, None], new: BoundedProtocol) -> bool:
    """Close the oldest connection that waits for its caller, preferably one without a request."""
    others = [one for one in connections if one is not new]
    idle = (one for one in others if not one.answers)
    oldest = next(idle, None) or next((one for one in others if one.awaits_caller), None)
    if oldest is None:
        return False
    oldest.abort()
    return True


async def serve(
    app: Any,  # noqa: ANN401  ASGI
    settings: Settings,
    listener: socket.socket,
    wait_for_stop: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Answer requests until the wait for a stop is over."""
    connections = Connections(ConnectionLimits.of(settings))
    config = uvicorn.Config(
        app,
        # uvicorn accepts any callable that makes a protocol.
        http=cast("type[asyncio.Protocol]", functools.partial(BoundedProtocol, open_connections=connections)),
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=connections.limits.idle_seconds,
        timeout_graceful_shutdown=_STOP_SECONDS,
        # Only named proxies are trusted. Without this, uvicorn trusts those in $FORWARDED_ALLOW_IPS
        # (https://github.com/encode/uvicorn/pull/1423).
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    watching = asyncio.create_task(connections.watch(), name="connections")
    asked = asyncio.create_task(wait_for_stop())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    server.should_exit = True
    await serving
    watching.cancel()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals end the whole process, not only the API.

    uvicorn has no option for that (https://github.com/Kludex/uvicorn/issues/526).
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@contextlib.contextmanager
def holding_port(settings: Settings) -> Iterator[socket.socket]:
    """Bind the API's port without listening yet, so that early callers are refused and do not wait.

    Raises ServiceStartError if another process has it.
    """
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        # As servers do, so that lingering connections of the former process do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # An answer is two writes. Without this the second one waits up to 40 ms until the caller acknowledges the
        # first. asyncio sets it only for sockets with a protocol number
        # (https://github.com/python/cpython/issues/148783), which this one lacks. Connections inherit it from the
        # listening socket.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise _cannot_be_used(settings, error) from error
        yield listener


def open_port(settings: Settings, listener: socket.socket) -> None:
    """Start to listen; raise ServiceStartError if another process that bound the same port was quicker."""
    try:
        listener.listen()
    except OSError as error:
        raise _cannot_be_used(settings, error) from error


def _cannot_be_used(settings: Settings, error: OSError) -> ServiceStartError:
    reason = f"{settings.host}:{settings.port} cannot be used ({error.strerror}); choose another WHEELYARD_PORT"
    return ServiceStartError(service="The API", reason=reason)


def url_of(listener: socket.socket) -> str:
    """Return the URL of the port."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
