"""The audit log in memory: the twin of the PostgreSQL one."""

from tests.fakes.records import MemoryState

from wheelyard.domain.access import MAX_AUDIT_ENTRIES, AuditEntry, AuditFilter, Change


class MemoryAudit:
    """The AuditStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def record(self, change: Change) -> None:
        """Write down a change."""
        self._state.record_change(change)

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """List entries, newest first."""
        fitting = [entry for entry in reversed(self._state.audit) if _fits(entry, wanted)]
        return tuple(fitting[: min(wanted.limit, MAX_AUDIT_ENTRIES)])


def _fits(entry: AuditEntry, wanted: AuditFilter) -> bool:
    return (
        wanted.object in {None, entry.change.object}
        and wanted.actor in {None, entry.change.actor}
        and (wanted.before is None or entry.id < wanted.before)
    )
