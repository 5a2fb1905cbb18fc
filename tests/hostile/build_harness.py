"""Hostile projects as builds on the real engine: one attack each, be it a build backend, a wheel or the sdist."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.hostile.corpus import HERE, Attack
from tests.hostile.sdist_parts import MARK
from tests.integration.container_harness import LIMITS, ContainerHarness, PackageRun
from tests.unit.pipeline_harness import PURE

from wheelyard.domain.builds.build import Build
from wheelyard.domain.healing.healing import HealMode
from wheelyard.interfaces import Limits

MIB: Final = 1 << 20
SMALL: Final = replace(LIMITS, memory_bytes=256 * MIB, scratch_bytes=64 * MIB, processes=64, open_files=512)
LOG_BYTES: Final = 256 << 10
_USUAL_STAGES: Final = {"sdists": "build", "wheels": "repair", "proofs": "verify"}
"""Where attacks of a kind are refused that do not say it themselves."""
_OWN_FILES: Final = {"PYPROJECT": "pyproject.toml", "PKG_INFO": "PKG-INFO"}
"""Files of the project's, by the constant of an attack that has one of its own."""
_PYPROJECT: Final = (
    b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    b'[project]\nname = "demo"\nversion = "1.0"\n'
)


def run_of_build(harness: ContainerHarness, attack: Path, limits: Limits = SMALL, **more: bytes) -> PackageRun:
    """Give the build of a project whose backend runs an attack, not yet begun."""
    return harness.run_of("demo", sdist=_sdist_of(attack, more), limits=limits, log_bytes=LOG_BYTES, heal=HealMode.ON)


def run_of(harness: ContainerHarness, attack: Attack) -> PackageRun:
    """Give the build that an attack of any kind is tried with, not yet begun."""
    match attack.kind:
        case "sdists":
            name, content = attack.act("make")()
            return harness.run_of("demo", sdist=content, sdist_filename=name, limits=SMALL, heal=HealMode.ON)
        case "wheels":
            return run_of_build(harness, HERE / "project" / "carrier.py", payload=attack.act("make")())
        case "proofs":
            return run_of_brought(harness, attack.act("make")(), _limits_of(attack))
        case _:
            own = {name: str(attack.facts[key]).encode() for key, name in _OWN_FILES.items() if key in attack.facts}
            return run_of_build(harness, attack.path, _limits_of(attack), **own)


def run_of_brought(harness: ContainerHarness, wheel: bytes, limits: Limits = SMALL) -> PackageRun:
    """Give the proof of a wheel that somebody brings, not yet begun."""
    return harness.run_of(
        "demo", sdist=wheel, sdist_filename=PURE, limits=limits, log_bytes=LOG_BYTES, heal=HealMode.ON
    )


def _limits_of(attack: Attack) -> Limits:
    seconds = attack.facts.get("SECONDS", SMALL.time_seconds)
    assert isinstance(seconds, int)
    return replace(SMALL, time_seconds=seconds)


def assert_ended_as_expected(run: PackageRun, build: Build, attack: Attack) -> None:
    """Hold a build to the end that its attack must have."""
    if attack.refused is None:
        assert_untouched(run, build)
        assert str(attack.facts.get("WARNS", "")) in run.log()
        return
    assert build.failure is not None
    assert build.failure.code == attack.refused
    assert build.failure.stage == (attack.facts.get("STAGE") or _USUAL_STAGES[attack.kind])
    assert attack.said in build.failure.summary
    assert build.failure.hint
    assert run.index.files == {}


def assert_untouched(run: PackageRun, build: Build) -> None:
    """Hold a build to having published its own wheel, whatever was tried in it or beside it."""
    assert build.failure is None
    assert build.wheel is not None
    assert build.wheel.filename in {"demo-1.0-1.bookworm-py3-none-any.whl", PURE}
    assert "forged" not in build.wheel.imported_modules
    assert [MARK.encode() in content for content in run.index.files.values()] == [False]


def _sdist_of(attack: Path, more: dict[str, bytes]) -> bytes:
    files = {
        "pyproject.toml": _PYPROJECT,
        "PKG-INFO": b"Metadata-Version: 2.2\nName: demo\nVersion: 1.0\n",
        "backend.py": (HERE / "project" / "backend.py").read_bytes(),
        "attack.py": attack.read_bytes(),
        **more,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.size, info.mtime = len(content), 1_700_000_000
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
