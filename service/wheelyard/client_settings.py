"""Settings of the command line's client, read from the environment like those in ``settings``.

They are separate because every command reads them, and reading all settings takes longer than most answers.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelyard.errors import SettingsInvalidError

CLIENT_SETTINGS: Final[Mapping[str, str]] = {
    "url": "Address of the API. Default: the one that ``wheelyard up`` wrote into the state directory.",
    "token": "API token. Default: the first token, which ``wheelyard up`` wrote into the state directory.",
}
"""Description of each setting, for ``docs/settings.md``."""
_SYSTEM_STATE: Final = Path("/var/lib/wheelyard")


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """Address and token with which the command line reaches a service."""

    url: str | None
    token: str | None = field(repr=False)
    state_dir: Path


def default_state_dir() -> Path:
    """Return the default state directory; for root outside of its home, which PostgreSQL's user cannot enter."""
    if os.geteuid() == 0:
        return _SYSTEM_STATE
    from platformdirs import user_state_path  # noqa: PLC0415  not needed by most

    return user_state_path("wheelyard")


def load_client_settings() -> ClientSettings:
    """Return the client's settings, even if other settings are invalid; raise SettingsInvalidError."""
    secrets_dir = os.environ.get("WHEELYARD_SECRETS_DIR")
    if secrets_dir is not None and not Path(secrets_dir).is_dir():
        raise SettingsInvalidError(problems=[f"WHEELYARD_SECRETS_DIR: {secrets_dir} is not a directory"])
    given = _variables(os.environ.get("WHEELYARD_ENV_FILE")) | _by_name(os.environ)
    state_dir = _find("state_dir", given, secrets_dir)
    return ClientSettings(
        url=_find("url", given, secrets_dir),
        token=_find("token", given, secrets_dir),
        state_dir=Path(state_dir) if state_dir else default_state_dir(),
    )


def _variables(env_file: str | None) -> dict[str, str]:
    if not env_file or not Path(env_file).is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  not needed by most

    return _by_name({name: value for name, value in dotenv_values(env_file).items() if value is not None})


def _by_name(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables by their lower-case names, because settings' names are case-insensitive."""
    return {name.lower(): value for name, value in variables.items()}


def _find(name: str, given: Mapping[str, str], secrets_dir: str | None) -> str | None:
    variable = f"wheelyard_{name}"
    if variable in given or secrets_dir is None:
        return given.get(variable)
    try:
        return Path(secrets_dir, variable).read_text().strip()
    except OSError:
        return None
