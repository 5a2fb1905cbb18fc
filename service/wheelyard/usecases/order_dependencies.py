"""Request the builds that other builds wait for: required releases without a wheel.

This runs beside the API, which reads recipes (docs/decisions/0012), and not in the worker that found the missing
release. Everything here may be repeated at any time.
"""

import uuid
from typing import Final, NoReturn

from wheelyard.domain.builds.graph import Need
from wheelyard.errors import DatabaseUnavailableError, InternalError, WheelyardError
from wheelyard.interfaces import MissingReleaseStore
from wheelyard.logs import get_logger
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.request_build import BuildRequest, RequestBuild

_POLL_SECONDS: Final = 1.0
_log = get_logger(__name__)


class OrderDependencies:
    """Turns missing releases into builds."""

    def __init__(self, *, store: MissingReleaseStore, request_build: RequestBuild) -> None:
        self._store = store
        self._request_build = request_build

    async def run(self) -> NoReturn:
        """Request builds for missing releases every second, until cancelled."""
        await repeat("needs", self.once, seconds=_POLL_SECONDS)

    async def once(self) -> None:
        """Request what can be requested; what fails for a reason that may pass is tried again the next time.

        Raises DatabaseUnavailableError.
        """
        for need in await self._store.open_dependencies():
            await self._supply(need)

    async def _supply(self, need: Need) -> None:
        try:
            order = await self._request_build.decide(_request_for(need))
        except DatabaseUnavailableError:
            raise
        except WheelyardError as error:
            await self._refuse(need, error)
        except Exception:  # noqa: BLE001  as around an attempt: one missing release must not block all others
            reference = uuid.uuid4().hex[:12]
            _log.exception("need-crashed", build=need.build_id, needed=str(need.release), reference=reference)
            await self._store.give_up(need, InternalError(reference=reference))
        else:
            await self._store.supply(need, order)
            _log.info("need-supplied", build=need.build_id, needed=str(need.release))

    async def _refuse(self, need: Need, error: WheelyardError) -> None:
        if error.retryable:
            _log.warning("need-delayed", build=need.build_id, needed=str(need.release), reason=error.summary)
        else:
            await self._store.give_up(need, error)


def _request_for(need: Need) -> BuildRequest:
    return BuildRequest(
        requirement=f"{need.release.project}=={need.release.version}",
        python=need.target.python,
        platform=need.target.platform,
        requested_by=need.requested_by,
        priority=need.priority,
    )
