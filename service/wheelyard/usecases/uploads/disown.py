"""Take back that sdists, which were uploaded, made a project the organisation's own."""

from packaging.utils import canonicalize_name

from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.errors import InvalidRequestError, OwnershipHeldError
from wheelyard.interfaces import UploadStore


class DisownProject:
    """The use case behind ``DELETE /v1/projects/{name}/ownership``."""

    def __init__(self, *, store: UploadStore, patterns: OwnProjects) -> None:
        """Set the uploads, and the operator's own patterns, which stay what they are."""
        self._store = store
        self._patterns = patterns

    async def __call__(self, name: str, *, confirm: str, by: str) -> tuple[str, ...]:
        """Let a project's name be asked of upstream again; return the sdists that had made it own.

        Args:
            name: The project; need not be normalised.
            confirm: The name again, written in the same way.
            by: The name in the audit log.

        Raises:
            InvalidRequestError: the name is not confirmed.
            NotFoundError: no sdist made the project own.
            OwnershipHeldError: something of it is listed or open, or a pattern of the operator has its name.
        """
        if confirm != name:
            raise InvalidRequestError(
                problems=[f"confirm: must be the name {name!r} again, because upstream is asked for it from then on"]
            )
        project = canonicalize_name(name)
        if (refusal := self._patterns.refusal_of(project)) is not None:
            held = f"WHEELYARD_OWN_PROJECTS has the pattern {refusal.pattern!r}"
            raise OwnershipHeldError(project=project, held_by=[held])
        return await self._store.disown(project, by=by)
