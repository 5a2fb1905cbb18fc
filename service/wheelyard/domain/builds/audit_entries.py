"""What stores write into the audit log with each change that they make. Must not write it."""

from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.build import Build, BuildOrder
from wheelyard.domain.builds.records import Token
from wheelyard.domain.index.check import Difference
from wheelyard.domain.prebuilds.prebuild import Prebuild


def creation_of(token: Token, by: str) -> Change:
    """Say for the audit log that a token was made."""
    details = {"name": token.name, "scope": token.scope.value}
    if token.expires_at is not None:
        details["expires_at"] = token.expires_at.isoformat()
    return Change(actor=by, action=Action.TOKEN_CREATED, object=token.id, details=details)


def revocation_of(token: Token, by: str) -> Change:
    """Say for the audit log that a token was ended."""
    return Change(actor=by, action=Action.TOKEN_REVOKED, object=token.id, details={"name": token.name})


def request_of(build_id: str, order: BuildOrder, *, by: str, joined: bool) -> Change:
    """Say for the audit log that a wheel was asked for."""
    details = {"requirement": order.requirement, "target": str(order.target), "joined": str(joined).lower()}
    return Change(actor=by, action=Action.BUILD_REQUESTED, object=build_id, details=details)


def retry_of(build: Build, by: str) -> Change:
    """Say for the audit log that somebody put a build back into the queue."""
    return Change(actor=by, action=Action.BUILD_RETRIED, object=build.id, details={"project": build.order.project})


def cancellation_of(build: Build, by: str) -> Change:
    """Say for the audit log that somebody cancelled a build."""
    return Change(actor=by, action=Action.BUILD_CANCELLED, object=build.id, details={"project": build.order.project})


def wheel_change(filename: str, action: Action, *, by: str, **details: str) -> Change:
    """Say for the audit log that somebody changed a published wheel."""
    return Change(actor=by, action=action, object=filename, details=details)


def mending_of(filename: str, difference: Difference, by: str) -> Change:
    """Say for the audit log that a check of the index put a wheel right."""
    return wheel_change(filename, Action.WHEEL_MENDED, by=by, difference=difference.value)


def prebuild_of(prebuild: Prebuild) -> Change:
    """Say for the audit log that somebody asked for all that an application depends on."""
    details = {
        "targets": ", ".join(map(str, prebuild.targets)),
        "releases": str(len({(item.project, item.version) for item in prebuild.items})),
        "prefer": prebuild.prefer.value,
    }
    return Change(actor=prebuild.requested_by, action=Action.PREBUILD_REQUESTED, object=prebuild.id, details=details)


def end_of(prebuild: Prebuild, by: str) -> Change:
    """Say for the audit log that somebody cancelled a request."""
    return Change(actor=by, action=Action.PREBUILD_CANCELLED, object=prebuild.id)
