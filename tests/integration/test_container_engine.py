"""The engine's adapter on the real engine: what no scripted program can show."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from tests.unit.pipeline_harness import LIMITS, TextLog

from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import WORKER_LABEL
from wheelyard.errors import EngineCommandError
from wheelyard.interfaces import ContainerSpec
from wheelyard.settings import load_settings

SUITE, PYTHON = "bookworm", "3.13"
PATIENCE_SECONDS = 90.0
LABELS = {WORKER_LABEL: f"test-{uuid.uuid4().hex}"}


@pytest.fixture(scope="module")
def engine() -> ContainerEngine:
    return ContainerEngine(Parts(load_settings()).engine)


@pytest.fixture(scope="module")
async def runtime(tmp_path_factory: pytest.TempPathFactory) -> str:
    settings = load_settings().model_copy(update={"state_dir": tmp_path_factory.mktemp("state")})
    return await image_builder(Parts(settings)).ensure_runtime(SUITE, PYTHON)


def running(image: str, *command: str) -> ContainerSpec:
    return ContainerSpec(image=image, command=command, limits=LIMITS, labels=LABELS, env={})


@pytest.fixture(autouse=True)
async def no_container_is_left(engine: ContainerEngine) -> AsyncIterator[None]:
    yield
    assert await engine.remove_leftovers(LABELS) == 0


async def test_program_that_writes_without_end_is_ended(engine: ContainerEngine, runtime: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), engine.run(running(runtime, "/usr/bin/yes"), log=TextLog()) as one:
        assert await one.read_line(100) == b"y\n"


async def test_program_that_closes_its_streams_is_ended(engine: ContainerEngine, runtime: str) -> None:
    spec = running(runtime, "/bin/sh", "-c", "exec sleep 3600 >&- 2>&-")
    async with asyncio.timeout(PATIENCE_SECONDS), engine.run(spec, log=TextLog()):
        pass


async def test_image_that_is_not_there_is_the_engines_error(engine: ContainerEngine) -> None:
    with pytest.raises(EngineCommandError):
        async with engine.run(running("sha256:" + "0" * 64, "/bin/true"), log=TextLog()) as one:
            await one.wait()


async def test_program_that_is_not_there_is_the_engines_error(engine: ContainerEngine, runtime: str) -> None:
    with pytest.raises(EngineCommandError, match="no-such-program"):
        async with engine.run(running(runtime, "/no-such-program"), log=TextLog()) as one:
            await one.wait()


async def test_engine_tells_memory_that_ran_out_from_a_kill(engine: ContainerEngine, runtime: str) -> None:
    hoard = "hoard = []\nwhile True: hoard.append(b'x' * (16 << 20))"
    for program, told in ((hoard, True), ("import time; print('up', flush=True); time.sleep(3600)", False)):
        spec = running(runtime, f"/opt/python/{PYTHON}/bin/python{PYTHON}", "-c", program)
        async with asyncio.timeout(PATIENCE_SECONDS), engine.run(spec, log=TextLog()) as one:
            if not told:
                assert await one.read_line(100) == b"up\n"
                assert await engine.remove_leftovers(LABELS) == 1
            assert await one.wait() == 137
            assert await one.ran_out_of_memory() is told


async def test_limits_of_a_user_in_one_container_are_not_reached_by_another(
    engine: ContainerEngine, runtime: str
) -> None:
    python = f"/opt/python/{PYTHON}/bin/python{PYTHON}"
    many = "import threading, time; [threading.Thread(target=time.sleep, args=(3600,)).start() for _ in range(40)]; "
    few = "import resource, threading; resource.setrlimit(resource.RLIMIT_NPROC, (20, 20)); "
    crowd = running(runtime, python, "-c", f"{many} print('up', flush=True)")
    alone = running(runtime, python, "-c", f"{few} one = threading.Thread(); one.start(); one.join(); print('started')")
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with engine.run(crowd, log=TextLog()) as one:
            assert await one.read_line(100) == b"up\n"
            async with engine.run(alone, log=TextLog()) as another:
                assert await another.read_line(100) == b"started\n"
                assert await another.wait() == 0
            assert await engine.remove_leftovers(LABELS) == 1
            assert await one.wait() == 137


async def test_leavings_of_a_worker_are_removed_by_its_label(engine: ContainerEngine, runtime: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with engine.run(running(runtime, "/bin/sh", "-c", "echo up; exec sleep 3600"), log=TextLog()) as one:
            assert await one.read_line(100) == b"up\n"
            assert await engine.remove_leftovers({WORKER_LABEL: "test-another"}) == 0
            assert await engine.remove_leftovers(LABELS) == 1
            assert await one.wait() == 137
