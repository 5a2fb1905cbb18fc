"""The units in packaging/ take from the service what it does not need.

What systemd itself says of them is an integration test.
"""

from collections import defaultdict
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
UNITS = ("wheelyard.service", "wheelyard-devpi.service", "wheelyard-serve.service", "wheelyard-worker@.service")
WITH_ENGINE = {"wheelyard.service", "wheelyard-worker@.service"}

# systemd.exec(5); each was tried with a build that ran under it (docs/operate.md).
RESTRICTIONS = {
    "AmbientCapabilities": [""],
    "CapabilityBoundingSet": [""],
    "LockPersonality": ["yes"],
    "MemoryDenyWriteExecute": ["yes"],
    "NoNewPrivileges": ["yes"],
    "PrivateDevices": ["yes"],
    "PrivateMounts": ["yes"],
    "PrivateTmp": ["yes"],
    "ProtectClock": ["yes"],
    "ProtectControlGroups": ["yes"],
    "ProtectHome": ["yes"],
    "ProtectHostname": ["yes"],
    "ProtectKernelLogs": ["yes"],
    "ProtectKernelModules": ["yes"],
    "ProtectKernelTunables": ["yes"],
    "ProtectProc": ["invisible"],
    "ProtectSystem": ["strict"],
    "RemoveIPC": ["yes"],
    "RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6"],
    "RestrictNamespaces": ["yes"],
    "RestrictRealtime": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "SystemCallArchitectures": ["native"],
    "SystemCallErrorNumber": ["EPERM"],
    "SystemCallFilter": ["@system-service", "~@privileged"],
    "UMask": ["0077"],
    "User": ["wheelyard"],
}


def read_service(name: str) -> dict[str, list[str]]:
    """Read the section Service: each key with its values in their order."""
    settings = defaultdict(list)
    section = ""
    for line in (PACKAGING / name).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings[key].append(value)
    return settings


def test_every_unit_is_looked_at() -> None:
    assert tuple(sorted(path.name for path in PACKAGING.glob("*.service"))) == tuple(sorted(UNITS))


@pytest.mark.parametrize("name", UNITS)
def test_unit_has_every_restriction(name: str) -> None:
    settings = read_service(name)
    assert {key: settings.get(key) for key in RESTRICTIONS} == RESTRICTIONS


@pytest.mark.parametrize("name", UNITS)
def test_only_units_that_need_the_engine_have_its_group(name: str) -> None:
    settings = read_service(name)
    assert settings.get("SupplementaryGroups") == (["docker"] if name in WITH_ENGINE else None)
    # A user namespace would leave the engine's group without a number in it.
    assert settings.get("PrivateUsers") == (None if name in WITH_ENGINE else ["yes"])


@pytest.mark.parametrize("name", UNITS)
def test_whatever_is_written_to_is_a_directory_that_systemd_makes(name: str) -> None:
    """All else is read-only, home directories too."""
    settings = read_service(name)
    made = {f"/var/lib/{path}" for value in settings["StateDirectory"] for path in value.split()}
    made |= {f"/var/cache/{path}" for value in settings.get("CacheDirectory", []) for path in value.split()}
    given = dict(value.split("=", 1) for value in settings["Environment"])
    written = {given[key] for key in ("WHEELYARD_STATE_DIR", "WHEELYARD_ENGINE_DIR", "XDG_CACHE_HOME") if key in given}
    assert written <= made
    # uv makes devpi's environment, and has its cache below the home directory unless told otherwise.
    assert ("XDG_CACHE_HOME" in given) == (name in {"wheelyard.service", "wheelyard-devpi.service"})
