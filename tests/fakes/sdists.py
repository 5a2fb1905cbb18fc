"""The sdists that others brought in memory: the fake of the PostgreSQL store, on the other stores' state."""

from packaging.utils import NormalizedName
from tests.fakes.records import MemoryState

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.sdists import BroughtSdist, DueSdist, SdistPlace
from wheelyard.domain.index.wheels import IndexedWheel, WheelOrigin
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import NotFoundError


class MemorySdists:
    """The SdistStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def find(self, filename: str) -> BroughtSdist:
        """Return an sdist."""
        if filename not in self._state.sdists:
            raise NotFoundError(kind="sdist", name=filename)
        return self._state.sdists[filename]

    async def sdists_of(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """Return the sdists to build from."""
        found = [one for one in self._state.sdists.values() if one.project == project]
        listed = [(one, self._listed(one.filename)) for one in found]
        return tuple(
            one.as_file(yanked=bool(file and file.yanked_at), yanked_reason=file.yanked_reason if file else None)
            for one, file in listed
            if file is None or file.deleted_at is None
        )

    async def is_own(self, project: NormalizedName) -> bool:
        """Return whether an sdist of the project was ever brought."""
        return any(one.project == project for one in self._state.sdists.values())

    async def place_of(self, filename: str) -> SdistPlace:
        """Return where its bytes are."""
        sdist, file = await self.find(filename), self._listed(filename)
        if file is None or file.deleted_at is not None:
            return SdistPlace(url=sdist.url, is_on_index=False)
        return SdistPlace(url=file.url, is_on_index=True)

    async def due(self) -> tuple[DueSdist, ...]:
        """Return the sdists that have a wheel, and are not on the index yet."""
        waiting = [one for one in self._state.sdists.values() if self._listed(one.filename) is None]
        made = ((one, self._wheel_of(one)) for one in waiting)
        return tuple(DueSdist(sdist=one, level=wheel.level) for one, wheel in made if wheel)

    def _listed(self, filename: str) -> IndexedWheel | None:
        entry = self._state.wheels.get(filename)
        return None if entry is None else entry.wheel

    def _wheel_of(self, sdist: BroughtSdist) -> IndexedWheel | None:
        wheels = [entry.wheel for entry in self._state.wheels.values()]
        found = [wheel for wheel in wheels if wheel.deleted_at is None and self._is_of(wheel, sdist)]
        return min(found, key=lambda wheel: wheel.level is not Level.PROD, default=None)

    def _is_of(self, wheel: IndexedWheel, sdist: BroughtSdist) -> bool:
        if not wheel.is_wheel or (wheel.project, wheel.version) != (sdist.project, sdist.version):
            return False
        record = self._state.records.get(wheel.build_id or "")
        is_built = record is not None and record.build.order.sdist.sha256 == sdist.sha256
        return is_built or wheel.origin is WheelOrigin.BROUGHT
