"""The agent as it is sent into containers: a zip file, the same bytes for the same sources."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentProgram:
    """The packed agent."""

    data: bytes
    digest: str
    """sha256 in hexadecimal; part of every build's key."""


def pack_agent(folder: Path) -> AgentProgram:
    """Return the packed agent from its folder. Blocks."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for file in sorted(folder.glob("wheelyard_agent/*.py")):
            member = zipfile.ZipInfo(str(file.relative_to(folder)), date_time=_EARLIEST)
            bundle.writestr(member, file.read_bytes())
    data = buffer.getvalue()
    return AgentProgram(data=data, digest=hashlib.sha256(data).hexdigest())
