"""Stage publish: upload the verified wheel to the index and read it back."""

import asyncio
import filecmp
import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from wheelyard.errors import FileExistsAlreadyError, WorkerLostError
from wheelyard.interfaces import WheelIndex, WheelStore
from wheelyard.pipeline.job import Job, StageFunction, Tools, known


def publish_on(index: WheelIndex, wheels: WheelStore, *, healed: WheelIndex | None = None) -> StageFunction:
    """Return a stage that publishes on an index; only verified bytes can pass, and publishing them twice is harmless.

    Wheels whose builds needed more than their recipe said go to the index ``healed``, if there is one.

    The stage raises WorkerLostError if another worker has the build by now.
    """

    async def publish(job: Job, tools: Tools) -> Job:
        del tools
        wheel, path = known(job.wheel), known(job.repaired).path

        async def permit() -> None:
            """Record the upload, which is possible only while the attempt still holds its build."""
            if not await wheels.begin_upload(job.claim, filename=path.name, sha256=wheel.sha256):
                raise WorkerLostError(worker=job.claim.worker)

        place = healed if healed is not None and job.healing is not None and job.healing.added else index
        published = await place.publish(path, sha256=wheel.sha256, permit=permit)
        await job.note(f"published {published.filename} sha256={published.sha256}")
        on_index = replace(wheel, url=published.url, index_url=published.index_url, level=published.level)
        return job.knowing(wheel=on_index, published=published)

    return publish


def save_in(folder: Path, *, may_replace: bool = True) -> StageFunction:
    """Return a stage that copies the wheel, exactly as it was verified, into a folder.

    The stage raises FileExistsAlreadyError if another wheel has the name there, and it may not replace it.
    """

    async def keep(job: Job, tools: Tools) -> Job:
        del tools
        wheel = known(job.repaired).path
        if not may_replace and await asyncio.to_thread(_differs, wheel, folder / wheel.name):
            raise FileExistsAlreadyError(path=folder / wheel.name)
        await asyncio.to_thread(_copy_whole, wheel, folder)
        await job.note(f"kept {folder / wheel.name}")
        return job

    return keep


def _differs(file: Path, other: Path) -> bool:
    return other.exists() and not filecmp.cmp(file, other, shallow=False)


def _copy_whole(file: Path, folder: Path) -> None:
    """Copy a file into a folder, so that its name is there only with all its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{file.name}.new-{secrets.token_hex(4)}"
    try:
        shutil.copyfile(file, partial)
        partial.replace(folder / file.name)
    finally:
        partial.unlink(missing_ok=True)
