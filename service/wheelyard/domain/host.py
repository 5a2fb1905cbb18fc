"""What a host is like, as far as Wheelyard cares: facts that somebody found out. Must not find out anything."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """Something that was tried."""

    found: str
    """What was tried or found, for people."""
    error: str | None = None
    """Why it did not work; None if it did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxFacts:
    """What a container of ours sees of the walls around it."""

    is_filtered: bool
    """True if the kernel holds its programs to a list of system calls."""
    has_own_kernel: bool
    """True if its kernel is not the host's."""
    has_user_namespace: bool
    """True if its users are others on the host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineFacts:
    """A container engine that answers."""

    program: str
    """``docker`` or ``podman``, or a path to one."""
    version: str
    storage_driver: str
    root_dir: str
    """Where it keeps images and containers; on another host if the engine is remote."""
    cgroup_version: str
    is_rootless: bool = False
    """True if it runs as an ordinary user."""
    trial: Probe | None
    """A container with our limits; None if the engine has no image of ours to try."""
    default_runtime: str = ""
    runtimes: tuple[str, ...] = ()
    """Those that it names; it may know others."""
    sandbox: SandboxFacts | None = None
    """None if no such container runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskFacts:
    """The file system below a directory."""

    holds: str
    """What is kept there, such as ``the engine's images``."""
    path: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StateDirFacts:
    """The directory of everything that is kept."""

    path: str
    write_error: str | None
    """Why it cannot be written; None if it can."""
    closed_parents: tuple[str, ...]
    """Directories on the way that others may not pass; looked for as root only, whose database is another user's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PortFacts:
    """The port that the API would listen on."""

    address: str
    error: str | None
    """Why it cannot be taken; None if it is free."""
    is_ours: bool
    """True if the Wheelyard of this state directory listens there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFacts:
    """Everything that was found out about one host."""

    engine: EngineFacts | None
    engine_error: str
    """Why no engine answers, if none does."""
    state_dir: StateDirFacts
    disks: tuple[DiskFacts, ...]
    memory_bytes: int
    certificates: Probe
    """The CA bundle that TLS goes by here."""
    upstream_index: Probe
    catalogue: Probe
    """The catalogue of builders, the operator's own over the built-in one."""
    mmdebstrap: Probe
    package_mirror: Probe | None
    """None if only mmdebstrap knows which it is."""
    port: PortFacts
    postgres: Probe
    """The embedded PostgreSQL's program."""
