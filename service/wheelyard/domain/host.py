"""Facts about a host that ``wheelyard doctor`` checks."""

from dataclasses import dataclass

from wheelyard.domain.catalogue.reach import PythonReach


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """The result of a check."""

    found: str
    """What was checked or found, as text."""
    error: str | None = None
    """Why the check failed; None if it passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxFacts:
    """The isolation of a container, seen from inside."""

    is_filtered: bool
    """True if a system call filter is active."""
    has_own_kernel: bool
    """True if it does not run on the host's kernel."""
    has_user_namespace: bool
    """True if its users are mapped to others on the host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineFacts:
    """A running container engine."""

    program: str
    """``docker`` or ``podman``, or a path to one."""
    version: str
    storage_driver: str
    root_dir: str
    """Folder of its images and containers; on another host if the engine is remote."""
    cgroup_version: str
    is_rootless: bool = False
    """True if it runs as an ordinary user."""
    trial: Probe | None
    """A trial container with our limits; None if the engine has no image of ours."""
    default_runtime: str = ""
    runtimes: tuple[str, ...] = ()
    """Runtimes that it lists; it may know others."""
    sandbox: SandboxFacts | None = None
    """None if no container could be checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskFacts:
    """The file system below a directory."""

    holds: str
    """What the directory holds, such as ``the engine's images``."""
    path: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StateDirFacts:
    """The state directory."""

    path: str
    write_error: str | None
    """Why it is not writable; None if it is."""
    closed_parents: tuple[str, ...]
    """Parent directories that other users cannot enter. Only checked for root, whose database runs as another user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PortFacts:
    """The port of the API."""

    address: str
    error: str | None
    """Why it cannot be used; None if it is free."""
    is_ours: bool
    """True if the Wheelyard of this state directory listens there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostFacts:
    """All facts about one host."""

    engine: EngineFacts | None
    engine_error: str
    """Why no engine answers; empty if one does."""
    state_dir: StateDirFacts
    disks: tuple[DiskFacts, ...]
    memory_bytes: int
    certificates: Probe
    """The CA bundle for TLS."""
    upstream_index: Probe
    catalogue: Probe
    """The catalogue of builders: the built-in one with the operator's changes."""
    mmdebstrap: Probe
    package_mirror: Probe | None
    """None if mmdebstrap chooses it."""
    port: PortFacts
    postgres: Probe
    """The embedded PostgreSQL's program."""
    pythons: tuple[PythonReach, ...] = ()
    """Which Pythons this host can have; empty if that was not looked at."""
    emulators: tuple[Probe, ...] = ()
    """For each architecture that this host is to emulate, whether its kernel runs such a program."""
    git: Probe | None = None
    """The program that fetches sources in git; None if no host is allowed for them."""
