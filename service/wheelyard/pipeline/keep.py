"""In the place of publish: keep the proven wheel in a folder. Must not show it to anybody else."""

import asyncio
import shutil
from pathlib import Path

from wheelyard.pipeline.job import Job, StageFunction, Tools, known


def keep_in(folder: Path) -> StageFunction:
    """Make a stage that copies the wheel, exactly as it was verified, into a folder."""

    async def keep(job: Job, tools: Tools) -> Job:
        del tools
        wheel = known(job.repaired).path
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(shutil.copyfile, wheel, folder / wheel.name)
        await job.note(f"kept {folder / wheel.name}")
        return job

    return keep
