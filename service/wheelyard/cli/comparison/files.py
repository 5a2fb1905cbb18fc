"""Wheels that a command names: on this host, or on the service's index."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wheelyard.cli.client import open_client
from wheelyard.errors import HashMismatchError, NotComparableError, NotRebuildableError
from wheelyard.settings import Settings


@contextmanager
def local_wheel(
    wheel: str, settings: Settings, url: str | None, *, refused: type[NotComparableError | NotRebuildableError]
) -> Iterator[Path]:
    """Yield a wheel's path: its own, or that of a copy of the file of this name on the service's index.

    Raises the error ``refused`` if there is no such file on this host.
    """
    path = Path(wheel)
    if path.is_file() or "/" in wheel or not wheel.endswith(".whl"):
        if not path.is_file():
            raise refused(file=wheel, reason="there is no such file")
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, open_client(url) as client:
        listed = client.wheel(wheel)
        copy = Path(folder) / listed.filename
        with copy.open("wb") as target:
            address = f"{client.url.rstrip('/')}{listed.file_url}"
            found = client.download(address, target, limit_bytes=settings.limit_wheel_bytes)
        if found != listed.sha256:
            raise HashMismatchError(what=listed.filename, expected=listed.sha256, found=found)
        yield copy
