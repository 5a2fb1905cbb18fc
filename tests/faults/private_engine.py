"""A container engine of the tests' own, beside the host's, so that it can be killed and restarted: root only.

Its containers have no network; images of the host's engine are copied to it.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.acceptance.processes import command_line, descendants, wait_for

from wheelyard.adapters.servers.processes import ChildCommand, spawn
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.domain.packaging.target import Target
from wheelyard.settings import Settings

_START_SECONDS: Final = 60.0
"""After a crash it first ends the containers that have outlived it, and gives each ten seconds."""
_STOP_SECONDS: Final = 60.0


class PrivateEngine:
    """A dockerd with data, sockets and a containerd of its own."""

    def __init__(self, folder: Path, runtimes: Mapping[str, Sequence[str]] | None = None) -> None:
        """Write its settings; runtimes are commands by their names, beside runc."""
        self.address = f"unix://{folder}/docker.sock"
        known = {name: {"path": path, "runtimeArgs": more} for name, (path, *more) in (runtimes or {}).items()}
        (folder / "daemon.json").write_text(json.dumps({"runtimes": known}))  # the host's own is for its engine
        self._data = folder / "data"
        self._log = folder / "dockerd.log"
        self._network = folder / "network"
        argv = (
            *("/usr/bin/nsenter", f"--net={self._network}"),
            *("dockerd", "--config-file", str(folder / "daemon.json"), "--host", self.address),
            *("--data-root", str(self._data), "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid")),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--storage-driver", _ask("docker", "info", "--format", "{{.Driver}}")),
        )
        self._command = ChildCommand(argv=argv, environment=os.environ, directory=folder)
        self._process: subprocess.Popen[bytes] | None = None

    def enclose(self) -> None:
        """Give it a network of its own: an engine without a bridge removes docker0, which must not be the host's."""
        self._network.touch()
        subprocess.run(["unshare", f"--net={self._network}", "true"], check=True)

    def start(self) -> None:
        """Start it, from a thread that stays; it ends with the tests."""
        self._process = spawn(self._command, log=self._log)

    def until_ready(self) -> None:
        """Wait until it answers."""
        wait_for("the private engine", self._answers, seconds=_START_SECONDS)

    def kill(self) -> None:
        """Kill it: its containers go on, and whoever talks to them hears no more.

        Its containerd is told by the kernel and dies with it. While that is only a zombie, the next engine takes it for
        alive, and waits in vain for its answer.
        """
        assert self._process is not None
        started = [mark for mark in descendants(self._process.pid) if command_line(mark).startswith("containerd ")]
        self._process.kill()
        self._process.wait()
        gone = lambda: not any(Path(f"/proc/{mark.pid}").exists() for mark in started)  # noqa: E731  (a condition)
        wait_for("the end of containerd", gone, seconds=_STOP_SECONDS)

    def stop(self) -> None:
        """Let it end in order, with all containers that it has."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_STOP_SECONDS)

    def copy(self, images: Sequence[str]) -> None:
        """Copy images of the host's engine, each with its name."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "--host", self.address, "load", "--quiet"], stdin=saving.stdout, check=True)
        assert saving.returncode == 0

    def clear(self) -> None:
        """Give back what outlives it: its network, and its data, which it mounts onto themselves.

        ``os.path.ismount`` sees neither of these.
        """
        mounts = Path("/proc/self/mounts").read_text()
        for place in (self._data, self._network):
            if f" {place} " in mounts:
                subprocess.run(["umount", place], check=True)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        asked = subprocess.run(["docker", "--host", self.address, "version"], capture_output=True, check=False)
        return asked.returncode == 0


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


@contextmanager
def open_private_engine(runtimes: Mapping[str, Sequence[str]] | None = None) -> Iterator[PrivateEngine]:
    """Open an engine that has the images of an order which names no target."""
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-engine-", dir="/var/tmp"))
    engine = PrivateEngine(folder, runtimes)
    try:
        engine.enclose()
        engine.start()
        try:
            engine.until_ready()
            engine.copy(asyncio.run(_usual_images(folder)))
            yield engine
        finally:
            engine.stop()
    finally:
        engine.clear()
        shutil.rmtree(folder)


async def _usual_images(folder: Path) -> tuple[str, str]:
    """Name the builder and the bare image of the default target, made on the host's engine if they are missing."""
    settings = Settings(state_dir=folder / "state")
    parts = Parts(settings)
    images = image_builder(parts)
    choice = parts.catalogue.builder_for(Target.parse(python=parts.default_python, platform=settings.default_platform))
    await images.ensure_builder(choice.suite, python=choice.python)
    await images.ensure_runtime(choice.suite, choice.python)
    builder = await images.builder_name(choice.suite, choice.python)
    return builder.tag, (await images.runtime_name(choice.suite, choice.python)).tag
