"""Order what builds wait for: releases without a wheel that something else requires.

This is done beside the API, where recipes are read (docs/decisions/0012), and not by the worker that met the need.
Everything here may be repeated at any time. Must not wait for builds, nor decide what is needed.
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
    """Turns needs into builds."""

    def __init__(self, *, store: MissingReleaseStore, request_build: RequestBuild) -> None:
        self._store = store
        self._request_build = request_build

    async def run(self) -> NoReturn:
        """Order what is needed, every second, until cancelled."""
        await repeat("needs", self.once, seconds=_POLL_SECONDS)

    async def once(self) -> None:
        """Order what can be ordered; what is refused for a reason that may pass is tried again the next time.

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
        except Exception:  # noqa: BLE001  as around an attempt: one need must not keep all others waiting
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
