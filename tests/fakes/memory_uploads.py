"""The in-memory twin of PostgresUploads. Must keep its promises (contract test)."""

from tests.fakes.records import MemoryState

from wheelyard.domain.builds.records import Claim


class MemoryUploads:
    """The UploadBook on the state in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def begin(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Note the upload, if the claim still holds."""
        if not self._is_live(claim):
            return False
        self._state.uploads.setdefault((filename, sha256), []).append(claim)
        return True

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Look for the upload, its attempt and its wheel."""
        claims = self._state.uploads.get((filename, sha256), [])
        return bool(claims) and not any(map(self._is_live, claims)) and filename not in self._state.wheels

    def _is_live(self, claim: Claim) -> bool:
        record = self._state.records.get(claim.build_id)
        return record is not None and record.is_held_by(claim)
