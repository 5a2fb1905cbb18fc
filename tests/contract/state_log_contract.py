"""What the queue must log: the changes of state that only it knows."""

from structlog.testing import capture_logs
from tests.contract.stores import FAILURE, MAX_ATTEMPTS, Stores

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome


class StateLogContract:
    """One line for each change."""

    async def test_sweep_tells_which_build_lost_its_worker_and_what_became_of_it(self, stores: Stores) -> None:
        build_id = await stores.queued()
        with capture_logs() as entries:
            for number in range(1, MAX_ATTEMPTS + 1):
                await stores.claimed(build_id, f"w{number}")
                await stores.expire_leases()
                await stores.sweep()
        assert [(one["event"], one["build"], one["code"], one["worker"]) for one in entries] == [
            ("build-requeued", build_id, "worker-lost", "w1"),
            ("build-requeued", build_id, "worker-lost", "w2"),
            ("build-ended", build_id, "attempts-exhausted", "w3"),
        ]

    async def test_sweep_tells_whose_pause_is_over(self, stores: Stores) -> None:
        again = Outcome(status=Status.QUEUED, failure=FAILURE.failure, wait_seconds=60)
        build_id = await stores.finished(again)
        await stores.pass_time(61)
        with capture_logs() as entries:
            await stores.sweep()
            await stores.sweep()
        assert [(one["event"], one["build"]) for one in entries] == [("build-rested", build_id)]
