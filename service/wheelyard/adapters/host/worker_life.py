"""Report at a worker's start how the previous one in its place ended: in order, with its host, or by itself."""

import contextlib
import time
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")  # another one at each start of the host, see random(4)


class WorkerLife:
    """A file that exists while a worker lives, and that a worker which dies leaves behind.

    Only the holder of the state directory's lock may use it. It does not say what ended the previous worker.
    """

    def __init__(self, file: Path, *, boot_id: Path = _BOOT_ID) -> None:
        self._file = file
        self._boot_id = boot_id

    def begin(self) -> float | None:
        """Begin a life; return how many seconds ago the previous one began if it ended by itself, else None.

        A full or broken disk does not prevent the start: then nothing is known of this life afterwards.
        """
        former: float | None = None
        with contextlib.suppress(OSError):
            boot = self._boot_id.read_text(encoding="ascii").strip()
            if self._file.exists() and self._file.read_text(encoding="utf-8", errors="replace").strip() == boot:
                former = max(time.time() - self._file.stat().st_mtime, 0.0)
            self._file.unlink(missing_ok=True)
            self._file.write_text(f"{boot}\n", encoding="ascii")
        return former

    def end(self) -> None:
        """End the life in order."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
