"""Judge a host: does it have what Wheelyard needs, and if not, how is each problem fixed?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.domain.catalogue.reach import PythonReach, SourceTry
from wheelyard.domain.host import DiskFacts, EngineFacts, HostFacts, PortFacts, Probe, SandboxFacts, StateDirFacts
from wheelyard.errors import EmulatorMissingError
from wheelyard.settings import Settings

_COMFORT_BYTES: Final = 10 << 30
"""The space for the images of one suite and some builds."""
_SLOW_DRIVERS: Final = frozenset({"vfs"})
_GIB: Final = 1 << 30
_MIRROR_REMEDY: Final = (
    "Let this host reach one of these addresses, or set WHEELYARD_PYTHON_MIRROR to a mirror of "
    "www.python.org/ftp/python."
)


class CheckStatus(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was checked."""

    name: str
    status: CheckStatus
    found: str
    remedy: str = ""
    """How to fix or improve it; empty if there is nothing to do."""


def diagnose(facts: HostFacts, settings: Settings) -> tuple[Check, ...]:
    """Return all checks, in the order in which problems are best fixed."""
    return (
        *judge_engine(facts, settings),
        judge_state_dir(facts.state_dir),
        *(judge_disk(disk, floor_bytes=settings.disk_floor_bytes) for disk in facts.disks),
        judge_memory(facts.memory_bytes, settings),
        judge_certificates(facts.certificates),
        judge_address("upstream index", facts.upstream_index, "WHEELYARD_UPSTREAM_INDEX_URL"),
        judge_catalogue(facts.catalogue),
        *judge_image_sources(facts, settings),
        *judge_pythons(facts.pythons),
        *map(judge_emulator, facts.emulators),
        judge_port(facts.port),
        *judge_database(facts.postgres, settings),
        *judge_git(facts.git),
    )


def has_failure(checks: tuple[Check, ...]) -> bool:
    """Return whether anything must be fixed before Wheelyard can work."""
    return any(check.status is CheckStatus.FAIL for check in checks)


def judge_engine(facts: HostFacts, settings: Settings) -> tuple[Check, ...]:
    """Judge the engine: does it answer, is its storage fast, do containers run with our limits?"""
    engine = facts.engine
    if engine is None:
        remedy = (
            "As root on Debian: 'apt-get install docker.io', 'service docker start'. WHEELYARD_ENGINE names another."
        )
        return (_fail("container engine", facts.engine_error, remedy),)
    return (
        _ok("container engine", f"{engine.program} {engine.version}"),
        _judge_storage(engine),
        _judge_trial(engine.trial, settings),
        _judge_control_groups(engine),
        *_judge_sandbox(engine, settings),
    )


def _judge_storage(engine: EngineFacts) -> Check:
    if engine.storage_driver not in _SLOW_DRIVERS:
        return _ok("storage driver", engine.storage_driver)
    remedy = "Every container copies its whole image: let the engine use overlay2 or fuse-overlayfs."
    return _warn("storage driver", engine.storage_driver, remedy)


def _judge_control_groups(engine: EngineFacts) -> Check:
    """Judge whether limits take effect: a rootless engine cannot limit resources with version 1 of control groups.

    Only version 2 can be delegated to a user (https://www.rootlesscontaine.rs/getting-started/docker).
    """
    if engine.is_rootless and engine.cgroup_version == "1":
        remedy = (
            "Boot this host with control groups of version 2, or run the engine as root: a build could take it all."
        )
        return _fail(
            "control groups", "version 1, with which a rootless engine ignores memory and other limits", remedy
        )
    note = ": some kernels do not limit swap then" if engine.cgroup_version == "1" else ""
    return _ok("control groups", f"version {engine.cgroup_version}{note}")


def _judge_trial(trial: Probe | None, settings: Settings) -> Check:
    name = "container with our limits"
    if trial is None:
        return _ok(name, "not tried: the engine has no image of ours yet")
    if trial.error is None:
        return _ok(name, f"runs, with {settings.engine_open_files} open files and no network")
    remedy = (
        "About rlimits or nofile: set WHEELYARD_ENGINE_OPEN_FILES to what 'ulimit -Hn' prints, or less. "
        "About an unknown runtime: register it with the engine, or change WHEELYARD_ENGINE_RUNTIME. About a user: "
        "give the engine's account 65536 numbers in /etc/subuid and /etc/subgid."
    )
    return _fail(name, trial.error, remedy)


def _judge_sandbox(engine: EngineFacts, settings: Settings) -> tuple[Check, ...]:
    """Report how untrusted code is isolated, and how to isolate it better."""
    sandbox = engine.sandbox
    if sandbox is None:
        return ()
    runtime = settings.engine_runtime or engine.default_runtime or "the engine's runtime"
    kernel, higher = f"{runtime}, with a kernel of its own", ""
    if not sandbox.has_own_kernel:
        # containerd names its default runtime, runc, differently.
        known = (name for name in engine.runtimes if not name.startswith("io.containerd.run"))
        others = ", ".join(name for name in known if name != engine.default_runtime)
        kernel = f"{runtime}, on the host's kernel"
        higher = (
            "Higher: WHEELYARD_ENGINE_RUNTIME=runsc (gVisor) or kata gives each container a kernel of its own "
            f"(docs/security.md). The engine knows {others or 'no other runtime yet'}."
        )
    return (
        Check(name="sandbox: kernel", status=CheckStatus.OK, found=kernel, remedy=higher),
        _judge_filter(sandbox),
        _judge_users(sandbox),
    )


def _judge_filter(sandbox: SandboxFacts) -> Check:
    name = "sandbox: system calls"
    if sandbox.is_filtered:
        return _ok(name, "those in builders/seccomp.json")
    if sandbox.has_own_kernel:
        return _ok(name, "answered by the runtime's own kernel, which has no filter of ours")
    remedy = "Use a kernel and an engine with seccomp: a build can ask the host's kernel for anything."
    return _fail(name, "not filtered", remedy)


def _judge_users(sandbox: SandboxFacts) -> Check:
    found = f"one for each container, {CONTAINER_USERS[0]} to {CONTAINER_USERS[-1]}"
    if sandbox.has_user_namespace:
        return _ok("sandbox: users", f"{found}, in a user namespace")
    higher = "Higher: rootless Podman, or userns-remap in Docker's daemon.json, makes them others on the host."
    found = f"{found}, the same on the host"
    return Check(name="sandbox: users", status=CheckStatus.OK, found=found, remedy=higher)


def judge_state_dir(facts: StateDirFacts) -> Check:
    """Judge the state directory: can we write it, and can the user of the database enter it?"""
    name = "state directory"
    if facts.write_error is not None:
        remedy = "Give it to the user who runs Wheelyard, or choose another with WHEELYARD_STATE_DIR."
        return _fail(name, f"{facts.path}: {facts.write_error}", remedy)
    if facts.closed_parents:
        found = f"{facts.path}: the database's own user cannot pass {', '.join(facts.closed_parents)}"
        remedy = f"'chmod o+x {facts.closed_parents[0]}', or a WHEELYARD_STATE_DIR such as /var/lib/wheelyard."
        return _fail(name, found, remedy)
    return _ok(name, facts.path)


def judge_disk(disk: DiskFacts, *, floor_bytes: int) -> Check:
    """Judge free space: below the minimum nothing is written, and images need some."""
    name = f"disk of {disk.holds}"
    found = f"{disk.free_bytes / _GIB:.1f} of {disk.total_bytes / _GIB:.1f} GiB free at {disk.path}"
    if disk.free_bytes < floor_bytes:
        remedy = f"Free some space: {floor_bytes / _GIB:.1f} GiB are kept free (WHEELYARD_DISK_FLOOR_BYTES)."
        return _fail(name, found, remedy)
    if disk.free_bytes < floor_bytes + _COMFORT_BYTES:
        return _warn(name, found, f"Images and builds can take {_COMFORT_BYTES // _GIB} GiB: free some space soon.")
    return _ok(name, found)


def judge_memory(memory_bytes: int, settings: Settings) -> Check:
    """Judge memory: do all builds fit when each uses its limit?"""
    wanted = settings.limit_memory_bytes * settings.worker_slots
    found = f"{memory_bytes / _GIB:.1f} GiB, of which builds may use {wanted / _GIB:.1f}"
    if memory_bytes >= wanted:
        return _ok("memory", found)
    remedy = (
        "Lower WHEELYARD_LIMIT_MEMORY_BYTES or WHEELYARD_WORKER_SLOTS, or large builds may be killed by the kernel."
    )
    return _warn("memory", found, remedy)


def judge_certificates(probe: Probe) -> Check:
    """Judge the CA bundle: can it be read, and does it hold certificates?"""
    remedy = "Set WHEELYARD_CA_BUNDLE (or SSL_CERT_FILE) to a file of PEM certificates that this user may read."
    return _judge("CA bundle", probe, remedy)


def judge_address(name: str, probe: Probe, setting: str) -> Check:
    """Judge an address that must answer."""
    remedy = (
        "Check the network and the proxy (https_proxy). If a company's CA signs here, name it with "
        f"WHEELYARD_CA_BUNDLE. {setting} names another address."
    )
    return _judge(name, probe, remedy)


def judge_catalogue(probe: Probe) -> Check:
    """Judge the catalogue of builders: is every key known, and do its entries fit together?"""
    remedy = "Fix the file that WHEELYARD_CATALOGUE names; builders/README.md lists every key."
    return _judge("catalogue of builders", probe, remedy)


def judge_image_sources(facts: HostFacts, settings: Settings) -> tuple[Check, ...]:
    """Judge the source of base images: a registry's image, or a signed archive and mmdebstrap."""
    if settings.base_image:
        return (_ok("base images", f"pulled from {settings.base_image}"),)
    remedy = "'apt-get install mmdebstrap', or set WHEELYARD_BASE_IMAGE to a registry's image."
    bootstrap = _judge("mmdebstrap", facts.mmdebstrap, remedy)
    if facts.package_mirror is None:
        return (bootstrap, _ok("package mirror", "the distribution's own, not tried"))
    return (bootstrap, judge_address("package mirror", facts.package_mirror, "WHEELYARD_APT_MIRROR"))


def judge_pythons(pythons: Sequence[PythonReach]) -> tuple[Check, ...]:
    """Judge which Pythons of the catalogue can be had, and say what was tried for the others."""
    machines = {one.architecture for one in pythons}
    lacking: dict[tuple[SourceTry, ...], dict[str, set[str]]] = {}
    for one in pythons:
        if not one.reachable:
            lacking.setdefault(one.tried, {}).setdefault(one.python, set()).add(one.architecture)
    had = dict.fromkeys(f"{one.python} ({one.version})" for one in pythons if one.reachable)
    if pythons and not had:
        remedy = f"No Python can be compiled here. {_MIRROR_REMEDY}"
        tried = "; ".join(dict.fromkeys(str(one) for tries in lacking for one in tries))
        return (_fail("Pythons", f"source-unreachable: tried {tried}", remedy),)
    checks = [_ok("Pythons", ", ".join(had))] if had else []
    for tries, on in lacking.items():
        names = (name if on[name] == machines else f"{name} on {', '.join(sorted(on[name]))}" for name in on)
        found = f"{', '.join(names)}: source-unreachable; tried {'; '.join(map(str, tries))}"
        checks.append(_warn("Pythons", found, f"Nothing is built for these here. {_MIRROR_REMEDY}"))
    return tuple(checks)


def judge_emulator(probe: Probe) -> Check:
    """Judge whether the kernel runs programs of an architecture that this host is to emulate."""
    if probe.error is None:
        return _ok("emulation", probe.found)
    missing = EmulatorMissingError(architecture=probe.found, reason=probe.error)
    remedy = f"{missing.hint} Builds for this host's own architecture are not affected."
    return _warn("emulation", f"{probe.found}: {probe.error}", remedy)


def judge_port(facts: PortFacts) -> Check:
    """Judge the API's port: is it free, or in use by this service?"""
    if facts.is_ours:
        return _ok("port", f"{facts.address}, held by this Wheelyard")
    if facts.error is None:
        return _ok("port", f"{facts.address} is free")
    remedy = "Stop what listens there, or choose another with WHEELYARD_PORT (0 takes any free one)."
    return _fail("port", f"{facts.address}: {facts.error}", remedy)


def judge_database(probe: Probe, settings: Settings) -> tuple[Check, ...]:
    """Judge the embedded PostgreSQL, unless the settings name another database."""
    if settings.database_url is not None:
        return ()
    remedy = "Set up again ('make setup'), or set WHEELYARD_DATABASE_URL to a PostgreSQL of your own."
    return (_judge("embedded PostgreSQL", probe, remedy),)


def judge_git(probe: Probe | None) -> tuple[Check, ...]:
    """Judge git, if hosts are allowed that sources in git come from."""
    if probe is None:
        return ()
    remedy = "'apt-get install git' beside the API and the workers, or empty WHEELYARD_GIT_HOSTS."
    return (_judge("git", probe, remedy),)


def _judge(name: str, probe: Probe, remedy: str) -> Check:
    return _ok(name, probe.found) if probe.error is None else _fail(name, f"{probe.found}: {probe.error}", remedy)


def _ok(name: str, found: str) -> Check:
    return Check(name=name, status=CheckStatus.OK, found=found)


def _warn(name: str, found: str, remedy: str) -> Check:
    return Check(name=name, status=CheckStatus.WARN, found=found, remedy=remedy)


def _fail(name: str, found: str, remedy: str) -> Check:
    return Check(name=name, status=CheckStatus.FAIL, found=found, remedy=remedy)
