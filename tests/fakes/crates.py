"""A cache of crates without a disk of its own."""

from pathlib import Path


class MemoryCrates:
    """CrateCache that remembers where the archives are, and copies none."""

    def __init__(self) -> None:
        self.archives: dict[str, Path] = {}
        """What was kept, by key."""

    async def find(self, key: str) -> Path | None:
        """Return what was kept under a key."""
        return self.archives.get(key)

    async def keep(self, key: str, archive: Path) -> Path:
        """Remember an archive."""
        return self.archives.setdefault(key, archive)
