"""The changes that stores write into the audit log."""

from collections.abc import Sequence
from typing import Final

from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.build import Build, BuildOrder
from wheelyard.domain.builds.records import Token
from wheelyard.domain.index.check import Difference
from wheelyard.domain.index.uploads import NewUpload
from wheelyard.domain.prebuilds.prebuild import Prebuild
from wheelyard.domain.recipes.revision import RecipeRevision

_SHOWN_SDISTS: Final = 20


def creation_of(token: Token, by: str) -> Change:
    """Return the audit entry of a new token."""
    details = {"name": token.name, "scope": token.scope.value}
    if token.publishes:
        details["publishes"] = ", ".join(token.publishes)
    if token.expires_at is not None:
        details["expires_at"] = token.expires_at.isoformat()
    return Change(actor=by, action=Action.TOKEN_CREATED, object=token.id, details=details)


def revocation_of(token: Token, by: str) -> Change:
    """Return the audit entry of a revoked token."""
    return Change(actor=by, action=Action.TOKEN_REVOKED, object=token.id, details={"name": token.name})


def request_of(build_id: str, order: BuildOrder, *, by: str, joined: bool) -> Change:
    """Return the audit entry of a requested build."""
    details = {"requirement": order.requirement, "target": str(order.target), "joined": str(joined).lower()}
    return Change(actor=by, action=Action.BUILD_REQUESTED, object=build_id, details=details)


def upload_of(upload: NewUpload, *, build_id: str | None = None, request_id: str | None = None) -> Change:
    """Return the audit entry of an uploaded file, with the build of a wheel or the request of an sdist."""
    followed = {"build": build_id, "request": request_id}
    details = {"project": upload.project, "sha256": upload.sha256}
    details |= {name: value for name, value in followed.items() if value is not None}
    return Change(actor=upload.uploaded_by, action=Action.FILE_UPLOADED, object=upload.filename, details=details)


def disowning_of(project: str, sdists: Sequence[str], by: str) -> Change:
    """Return the audit entry of a name that sdists had made the organisation's own, and that is no longer."""
    shown = [*sdists[:_SHOWN_SDISTS], *([f"{more} more"] if (more := len(sdists) - _SHOWN_SDISTS) > 0 else [])]
    return Change(actor=by, action=Action.PROJECT_DISOWNED, object=project, details={"sdists": ", ".join(shown)})


def retry_of(build: Build, by: str) -> Change:
    """Return the audit entry of a retried build."""
    return Change(actor=by, action=Action.BUILD_RETRIED, object=build.id, details={"project": build.order.project})


def cancellation_of(build: Build, by: str) -> Change:
    """Return the audit entry of a cancelled build."""
    return Change(actor=by, action=Action.BUILD_CANCELLED, object=build.id, details={"project": build.order.project})


def wheel_change(filename: str, action: Action, *, by: str, **details: str) -> Change:
    """Return the audit entry of a change to a published wheel."""
    return Change(actor=by, action=action, object=filename, details=details)


def mending_of(filename: str, difference: Difference, by: str) -> Change:
    """Return the audit entry of a wheel that an index check repaired."""
    return wheel_change(filename, Action.WHEEL_MENDED, by=by, difference=difference.value)


def prebuild_of(prebuild: Prebuild) -> Change:
    """Return the audit entry of a request for an application."""
    details = {
        "targets": ", ".join(map(str, prebuild.targets)),
        "releases": str(len({(item.project, item.version) for item in prebuild.items})),
        "prefer": prebuild.prefer.value,
    }
    if prebuild.campaign is not None:
        details["campaign"] = prebuild.campaign.source
    return Change(actor=prebuild.requested_by, action=Action.PREBUILD_REQUESTED, object=prebuild.id, details=details)


def extension_of(campaign_id: str, asked: Prebuild, *, added: int) -> Change:
    """Return the audit entry of releases that were added to an open campaign."""
    details = {"targets": ", ".join(map(str, asked.targets)), "added": str(added)}
    return Change(actor=asked.requested_by, action=Action.PREBUILD_REQUESTED, object=campaign_id, details=details)


def end_of(prebuild: Prebuild, by: str) -> Change:
    """Return the audit entry of a cancelled request."""
    return Change(actor=by, action=Action.PREBUILD_CANCELLED, object=prebuild.id)


def recipe_change(revision: RecipeRevision) -> Change:
    """Return the audit entry of a new revision of a recipe."""
    details = {"revision": str(revision.number)}
    if revision.build_id is not None:
        details["build"] = revision.build_id
    saved = Action.RECIPE_ADOPTED if revision.build_id else Action.RECIPE_SAVED
    action = Action.RECIPE_REMOVED if revision.text is None else saved
    return Change(actor=revision.by, action=action, object=revision.project, details=details)
