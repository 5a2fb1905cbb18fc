"""The installers and uploaders that our index is tried with: pinned versions, in a virtual environment of ours."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from uv import find_uv_bin

PINNED: Final = ("pip==26.3", "poetry==2.5.1", "poetry-plugin-pypi-mirror==0.6.5", "twine==7.0.0")
SECONDS: Final = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Clients:
    """Programs to run."""

    folder: Path
    """The virtual environment that they are in."""

    async def run(
        self, *command: str, cwd: Path, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run one of them to its end, without this machine's proxies, caches and settings."""
        program = find_uv_bin() if command[0] == "uv" else str(self.folder / "bin" / command[0])
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
        clean = {
            "HOME": str(cwd),
            "NO_PROXY": "*",
            "PIP_CONFIG_FILE": "/dev/null",
            "UV_NO_CONFIG": "1",
            "COLUMNS": "200",
        }
        return await asyncio.to_thread(
            subprocess.run,
            [program, *command[1:]],
            cwd=cwd,
            env={**kept, **clean, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **(env or {})},
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
        )


def install_clients(folder: Path, *, python: str = sys.executable) -> Clients:
    """Make the virtual environment; uv's cache makes that quick the second time."""
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", python, str(folder)], check=True)
    target = ["--python", str(folder / "bin" / "python")]
    subprocess.run([uv, "pip", "install", "--quiet", *target, *PINNED], check=True, timeout=SECONDS)
    return Clients(folder=folder)
