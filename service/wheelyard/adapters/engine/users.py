"""A user for each container, so that no two share the kernel's limits for a user: processes, watches and keys."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.errors import AlreadyRunningError, EngineCommandError


class ContainerUsers:
    """Pool of the users that the images know. No two containers have the same one at the same time.

    With a folder, that holds for all processes that share it. The kernel drops the lock of a process that dies.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._taken = set[int]()

    @contextmanager
    def take(self) -> Iterator[int]:
        """Yield a user that no other container has; raise EngineCommandError if all are taken."""
        with ExitStack() as stack:
            # At random, so that engines which share a kernel and no folder seldom choose the same.
            candidates = random.SystemRandom().sample(CONTAINER_USERS, len(CONTAINER_USERS))
            user = next((one for one in candidates if one not in self._taken and self._locks(one, stack)), None)
            if user is None:
                reason = f"All {len(CONTAINER_USERS)} users that containers run as are taken."
                raise EngineCommandError(command=("run", "--user"), output=reason)
            self._taken.add(user)
            stack.callback(self._taken.discard, user)
            yield user

    def _locks(self, user: int, stack: ExitStack) -> bool:
        """Lock a user against other processes until the stack ends; return whether it was free."""
        if self._folder is None:
            return True
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(FileLock(self._folder / str(user)))
        except AlreadyRunningError:
            return False
        return True
