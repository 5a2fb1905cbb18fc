"""The table of scopes that the operations of the API need; a test compares it with all routes.

An operation that is not in the table needs ``admin``.
"""

from collections.abc import Mapping
from typing import Final

from wheelyard.domain.access import Scope

SCOPES: Final[Mapping[str, Scope]] = {
    "list_builds": Scope.READ,
    "get_build": Scope.READ,
    "read_log": Scope.READ,
    "read_metrics": Scope.READ,
    "list_targets": Scope.READ,
    "list_builders": Scope.READ,
    "list_workers": Scope.READ,
    "find_packages": Scope.READ,
    "list_wheels": Scope.READ,
    "get_wheel": Scope.READ,
    "list_wheel_files": Scope.READ,
    "list_wheel_sources": Scope.READ,
    "get_index_report": Scope.READ,
    "get_queue": Scope.READ,
    "get_statistics": Scope.READ,
    "list_projects": Scope.READ,
    "get_project": Scope.READ,
    "list_recipes": Scope.READ,
    "get_recipe": Scope.READ,
    "get_recipe_history": Scope.READ,
    "list_requests": Scope.READ,
    "get_request": Scope.READ,
    "follow_request": Scope.READ,
    "plan_request": Scope.REQUEST,
    "submit_request": Scope.REQUEST,
    "get_webhook_secret": Scope.REQUEST,
    "cancel_request": Scope.REQUEST,
    "lock_request": Scope.REQUEST,
    "list_campaigns": Scope.READ,
    "get_campaign": Scope.READ,
    "begin_campaign": Scope.REQUEST,
    "stop_campaign": Scope.REQUEST,
    "submit_build": Scope.REQUEST,
    "cancel_build": Scope.REQUEST,
    "retry_build": Scope.REQUEST,
    "retry_builds": Scope.REQUEST,
    "upload": Scope.PUBLISH,
    "upload_file": Scope.PUBLISH,
    "build_local": Scope.PUBLISH,
    "list_uploads": Scope.READ,
    "get_upload": Scope.READ,
    "yank_wheel": Scope.OPERATE,
    "unyank_wheel": Scope.OPERATE,
    "promote_wheel": Scope.OPERATE,
    "delete_wheel": Scope.OPERATE,
    "check_index": Scope.OPERATE,
    "disown_project": Scope.OPERATE,
    "put_recipe": Scope.OPERATE,
    "delete_recipe": Scope.OPERATE,
    "adopt_recipe": Scope.OPERATE,
    "list_tokens": Scope.ADMIN,
    "create_token": Scope.ADMIN,
    "revoke_token": Scope.ADMIN,
    "list_audit": Scope.ADMIN,
}


def needed_scope(operation_id: str | None) -> Scope:
    """Return the scope that an operation needs."""
    return SCOPES.get(operation_id or "", Scope.ADMIN)
