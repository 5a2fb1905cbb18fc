"""``docker-compose.yml`` brought up with images made here.

PostgreSQL and Prometheus are from Debian's packages, the service's images start from a base that was bootstrapped.
"""

import asyncio
import os
import secrets
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.acceptance.processes import free_port
from tests.image_locks import ENGINE_DIR

from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.settings import Settings

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ("docker-compose.yml", "docker-compose.debian.yml")
TARGETS: Final = ("worker", "api", "devpi")
_SECRETS: Final = ("database_password", "index_password", "staging_password")
_CONTEXT: Final = (
    *("LICENSE", "README.md", "pyproject.toml", "requirements.lock", "devpi.lock"),
    *("Dockerfile", "builders", "recipes", "service", "packaging", "docs", "zensical.toml", "CHANGELOG.md"),
    *("tools/build_guide.py", "examples/README.md"),
)
_SUITE: Final = "trixie"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A compose project."""

    program: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    metrics_url: str
    """Where Prometheus is, once the profile ``metrics`` is up."""

    def keep_secret(self, name: str, value: str) -> None:
        """Write one more secret."""
        _write_secret(Path(self.environment["SECRETS"]), name, value)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run one command of compose and return what it printed."""
        files = [part for name in FILES for part in ("--file", str(ROOT / name))]
        command = [*self.program, *files, *arguments]
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout


def find_compose() -> tuple[str, ...]:
    """Find compose, as the engine's plugin or as the program of its own that Debian has."""
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode != 0:
        pytest.skip("neither 'docker compose' nor 'docker-compose' is installed")
    return ("docker", "compose")


def make_secrets(folder: Path) -> Path:
    """Write the secrets as docs/operate.md says: the folder is closed, so that the files need not be."""
    folder.mkdir(mode=0o700)
    for name in _SECRETS:
        _write_secret(folder, name, secrets.token_hex(24))
    return folder


def _write_secret(folder: Path, name: str, value: str) -> None:
    (folder / name).write_text(f"{value}\n")
    (folder / name).chmod(0o444)


@contextmanager
def stack_up(folder: Path, upstream_url: str) -> Iterator[Stack]:
    """Make the images and bring everything up until the block ends; then containers, networks and volumes go."""
    tag = f"test-{os.getpid()}"
    images = _make_images(folder, tag)
    port, metrics_port = free_port(), free_port()
    environment = {
        **os.environ,
        **images,
        "COMPOSE_PROJECT_NAME": f"wheelyard-{tag}",
        "SECRETS": str(make_secrets(folder / "secrets")),
        "ENGINE_GROUP": str(Path("/var/run/docker.sock").stat().st_gid),
        "WHEELYARD_PUBLISH": f"127.0.0.1:{port}",
        "PROMETHEUS_PUBLISH": f"127.0.0.1:{metrics_port}",
        "WHEELYARD_UPSTREAM_INDEX_URL": upstream_url,
    }
    stack = Stack(
        program=find_compose(),
        environment=environment,
        url=f"http://127.0.0.1:{port}",
        metrics_url=f"http://127.0.0.1:{metrics_port}",
    )
    try:
        stack.compose("up", "--detach", "--no-build")
        yield stack
    finally:
        stack.compose("--profile", "metrics", "down", "--volumes", check=False)
        subprocess.run(["docker", "rmi", *images.values()], check=False, capture_output=True)


def _make_images(folder: Path, tag: str) -> dict[str, str]:
    """Make the images from a copy of the sources with this host's certificates; return their names by variable."""
    settings = Settings(state_dir=folder / "state", engine_dir=ENGINE_DIR)
    base = asyncio.run(image_builder(Parts(settings)).ensure_base(_SUITE))
    context = folder / "context"
    context.mkdir()
    for name in _CONTEXT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, context / name)
    if bundle := ssl.get_default_verify_paths().cafile:
        shutil.copy2(bundle, context / "packaging/ca/host.crt")
    names = {f"WHEELYARD_{target.upper()}_IMAGE": f"wheelyard/{target}:{tag}" for target in TARGETS}
    for target in TARGETS:
        _build(context, base, f"wheelyard/{target}:{tag}", "--target", target)
    packaging = context / "packaging/debian"
    for name in ("postgres", "prometheus"):
        names[f"{name.upper()}_IMAGE"] = f"wheelyard/debian-{name}:{tag}"
        _build(packaging, base, f"wheelyard/debian-{name}:{tag}", "--file", str(packaging / f"{name}.Dockerfile"))
    return names


def _build(context: Path, base: str, name: str, *arguments: str) -> None:
    engine = Parts(Settings()).engine
    options = ["--quiet", "--network", "host", *engine.ulimit_args, "--build-arg", f"BASE={base}", "--tag", name]
    done = subprocess.run(
        ["docker", "build", *options, *arguments, str(context)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
