"""The engine's command line: what every container is denied, and what a failing engine becomes. No engine runs here."""

import asyncio
import contextlib
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.unit.pipeline_harness import LIMITS, TextLog

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand, container_ulimits
from wheelyard.adapters.engine.containers import ContainerEngine, remove_leftovers
from wheelyard.adapters.engine.users import ContainerUsers
from wheelyard.domain.catalogue.package_managers import CONTAINER_USERS
from wheelyard.errors import EngineCommandError, EngineUnavailableError
from wheelyard.interfaces import ContainerSpec, Network
from wheelyard.resources import data_path

SPEC = ContainerSpec(
    image="sha256:abc",
    command=("/usr/bin/python3", "-c", "pass"),
    limits=replace(LIMITS, cpus=1.5),
    labels={"org.wheelyard.build": "b1"},
    env={"LANG": "C.UTF-8"},
)


class FakeEngine:
    """An engine's program: a script that notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._folder = folder
        self.killed = folder / "killed"

    def engine(
        self, run: str = "exit 0", *, program: str = "engine", **settings: tuple[str, ...] | str
    ) -> ContainerEngine:
        """Write the script; ``run`` is what it does when it is to run a container."""
        script = self._folder / program
        lines = [
            "#!/bin/sh",
            f'for argument in "$@"; do printf "%s\\n" "$argument"; done >> {self._calls}',
            f"echo === >> {self._calls}",
            f'case "$1" in rm) touch {self.killed}; exit 0 ;; ps) echo one; echo two; exit 0 ;; esac',
            run,
        ]
        script.write_text("\n".join(lines) + "\n")
        script.chmod(stat.S_IRWXU)
        return ContainerEngine(EngineCommand(program=str(script), **settings))  # type: ignore[arg-type]  # it checks them

    @property
    def calls(self) -> list[list[str]]:
        return [call.splitlines() for call in self._calls.read_text().split("\n===\n") if call]


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path)


async def arguments_of(fake: FakeEngine, spec: ContainerSpec = SPEC, *, prefix: tuple[str, ...] = ()) -> list[str]:
    async with fake.engine(prefix=prefix).run(spec, log=TextLog()) as container:
        assert await container.wait() == 0
    (call,) = fake.calls
    return call


def values_of(arguments: list[str], option: str) -> list[str]:
    own = arguments[: arguments.index("--entrypoint")]
    return [value for name, value in pairwise(own) if name == option]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--network", ["none"]),
        ("--dns", ["0.0.0.0"]),  # noqa: S104  the loopback, as a name server
        ("--cap-drop", ["ALL"]),
        ("--security-opt", ["no-new-privileges", f"seccomp={data_path('builders') / 'seccomp.json'}"]),
        ("--ipc", ["private"]),
        ("--memory", [str(256 << 20)]),
        ("--memory-swap", [str(256 << 20)]),
        ("--cpus", ["1.5"]),
        ("--cpuset-cpus", []),
        ("--hostname", ["wheelyard"]),
        ("--pids-limit", ["64"]),
        ("--ulimit", ["core=0:0", "nofile=16384:16384"]),
        ("--log-driver", ["none"]),
        ("--label", [PROJECT_LABEL, "org.wheelyard.build=b1"]),
        ("--env", ["LANG=C.UTF-8"]),
        ("--workdir", ["/scratch"]),
    ],
)
async def test_every_container_is_confined(fake: FakeEngine, option: str, values: list[str]) -> None:
    assert values_of(await arguments_of(fake), option) == values


async def test_container_may_have_another_host_name_and_fewer_processors(fake: FakeEngine) -> None:
    arguments = await arguments_of(fake, replace(SPEC, hostname="elsewhere", processors="0"))
    assert values_of(arguments, "--hostname") == ["elsewhere"]
    assert values_of(arguments, "--cpuset-cpus") == ["0"]


async def test_root_is_read_only_and_scratch_is_bounded_memory_that_programs_run_from(fake: FakeEngine) -> None:
    arguments = await arguments_of(fake)
    assert "--read-only" in arguments
    mounts = [value.split(":", 1) for value in values_of(arguments, "--tmpfs")]
    assert [place for place, _ in mounts] == ["/tmp", "/scratch"]  # noqa: S108
    for _, options in mounts:
        assert {"rw", "exec", "nosuid", "nodev", f"size={64 << 20}"} <= set(options.split(","))


async def test_container_is_removed_by_itself_and_has_no_way_to_the_host(fake: FakeEngine) -> None:
    arguments = await arguments_of(fake)
    assert {"--interactive", "--rm"} <= set(arguments)
    assert not {"--volume", "-v", "--mount", "--privileged", "--device", "--tty", "--publish"} & set(arguments)


async def test_program_comes_after_the_image_as_it_is(fake: FakeEngine) -> None:
    arguments = await arguments_of(fake, replace(SPEC, command=("/bin/run", "--network", "host")))
    assert arguments[-5:] == ["--entrypoint", "/bin/run", "sha256:abc", "--network", "host"]


async def test_open_files_and_prefix_of_the_settings_are_passed_on(fake: FakeEngine) -> None:
    spec = replace(SPEC, limits=replace(LIMITS, open_files=4096))
    arguments = await arguments_of(fake, spec, prefix=("--host=tcp://here",))
    assert arguments[:2] == ["--host=tcp://here", "run"]
    assert values_of(arguments, "--ulimit") == ["core=0:0", "nofile=4096:4096"]


@pytest.mark.parametrize(
    ("program", "limits"),
    [("docker", ["nofile=256:256"]), ("/usr/bin/podman", ["nofile=256:256", "nproc=16384:16384"])],
)
def test_podman_is_kept_from_raising_the_number_of_processes(program: str, limits: list[str]) -> None:
    assert list(container_ulimits(program, open_files=256)) == limits


async def test_containers_that_run_at_a_time_have_users_of_their_own_whoever_runs_them(
    fake: FakeEngine, tmp_path: Path
) -> None:
    engine = fake.engine()
    command = EngineCommand(program=str(tmp_path / "engine"))
    others, third = (ContainerEngine(command, users=ContainerUsers(tmp_path / "users")) for _ in range(2))
    async with contextlib.AsyncExitStack() as stack:
        for one in (engine, others, third):
            for _ in range(3):
                container = await stack.enter_async_context(one.run(SPEC, log=TextLog()))
                await container.wait()
    users = [values_of(call, "--user")[0] for call in fake.calls]
    assert len(users) == 9
    assert all(user == ":".join([str(int(user.partition(":")[0]))] * 2) for user in users)
    assert len(set(users[:3])) == 3
    assert len(set(users[3:])) == 6


def test_no_user_is_given_out_twice_however_many_ask_and_each_comes_back(tmp_path: Path) -> None:
    pools = (ContainerUsers(tmp_path), ContainerUsers(tmp_path))
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(pools[number % 2].take()) for number in range(len(CONTAINER_USERS))]
        assert sorted(taken) == list(CONTAINER_USERS)
        with pytest.raises(EngineCommandError, match="All 478 users"), pools[0].take():
            pass
    with pools[1].take() as again:
        assert again in CONTAINER_USERS


@pytest.mark.parametrize(
    ("network", "runtimes"), [(Network.NONE, ["runsc"]), (Network.RECIPE, ["runsc"]), (Network.PREFETCH, [])]
)
async def test_runtime_of_the_settings_runs_all_strangers_code(
    fake: FakeEngine, network: Network, runtimes: list[str]
) -> None:
    async with fake.engine(runtime="runsc").run(replace(SPEC, network=network), log=TextLog()) as container:
        await container.wait()
    assert values_of(fake.calls[0], "--runtime") == runtimes
    assert values_of(fake.calls[0], "--pids-limit") == [str(LIMITS.processes + 512 * len(runtimes))]


async def test_each_container_has_a_name_of_its_own(fake: FakeEngine) -> None:
    engine = fake.engine()
    for _ in range(2):
        async with engine.run(SPEC, log=TextLog()) as container:
            await container.wait()
    names = {values_of(call, "--name")[0] for call in fake.calls}
    assert len(names) == 2
    assert all(name.startswith("wheelyard-") for name in names)


async def test_standard_streams_are_the_containers(fake: FakeEngine) -> None:
    log = TextLog()
    engine = fake.engine("read line; echo heard $line; echo a log line >&2; printf rest")
    async with engine.run(SPEC, log=log) as container:
        await container.write(b"hello\n")
        assert await container.read_line(100) == b"heard hello\n"
        assert await container.read_line(100) == b"rest"
        assert await container.read(100) == b""
        assert await container.wait() == 0
    assert log.text == "a log line\n"


async def test_line_longer_than_its_limit_is_refused(fake: FakeEngine) -> None:
    async with fake.engine("echo 0123456789").run(SPEC, log=TextLog()) as container:
        with pytest.raises(ValueError, match="longer than 5 bytes"):
            await container.read_line(5)


@pytest.mark.parametrize("code", [1, 75, 124, 137])
async def test_exit_code_of_the_program_is_given_as_it_is(fake: FakeEngine, code: int) -> None:
    async with fake.engine(f"exit {code}").run(SPEC, log=TextLog()) as container:
        assert await container.wait() == code


@pytest.mark.parametrize(
    ("program", "asked", "answer", "told"),
    [
        ("docker", "events", "oom", True),
        ("docker", "events", "", False),
        ("podman", "container", "true", True),
        ("podman", "container", "false", False),
    ],
)
async def test_engine_is_asked_whether_memory_ran_out(
    fake: FakeEngine, program: str, asked: str, answer: str, told: object
) -> None:
    engine = fake.engine(f'case "$1" in {asked}) echo {answer} ;; *) exit 137 ;; esac', program=program)
    async with engine.run(SPEC, log=TextLog()) as container:
        assert await container.wait() == 137
        assert await container.ran_out_of_memory() is told
    question = fake.calls[1]
    name = values_of(fake.calls[0], "--name")[0]
    assert question[0] == asked
    assert [argument for argument in question if argument.endswith(name)]


async def test_engine_that_cannot_tell_saw_nothing(fake: FakeEngine) -> None:
    engine = fake.engine('case "$1" in events) exit 1 ;; *) exit 137 ;; esac', program="docker")
    async with engine.run(SPEC, log=TextLog()) as container:
        await container.wait()
        assert not await container.ran_out_of_memory()


async def test_podmans_monitor_leaves_its_note_where_the_client_runs(fake: FakeEngine, tmp_path: Path) -> None:
    engine = fake.engine(f"case $1 in run) pwd > {tmp_path}/where; touch oom; exit 137 ;; esac", program="podman")
    async with engine.run(SPEC, log=TextLog()) as container:
        assert await container.wait() == 137
        assert await container.ran_out_of_memory()
        (name,) = values_of(fake.calls[0], "--name")
    where = (tmp_path / "where").read_text().strip()
    assert name in where
    assert subprocess.run(["test", "-e", where], check=False).returncode == 1  # noqa: ASYNC221  it takes no time


async def test_podman_keeps_a_container_until_it_was_asked_about_it(fake: FakeEngine) -> None:
    async with fake.engine(program="podman").run(SPEC, log=TextLog()) as container:
        await container.wait()
    run, remove = fake.calls
    assert "--rm" not in run
    assert remove == ["rm", "--force", *values_of(run, "--name")]


@pytest.mark.parametrize("end", ["exit 125", "kill -9 $$"], ids=["engine-cut-off", "client-killed"])
async def test_container_that_its_client_left_behind_is_removed(fake: FakeEngine, end: str) -> None:
    with contextlib.suppress(EngineCommandError):
        async with fake.engine(end).run(SPEC, log=TextLog()) as container:
            assert await container.read_line(100) == b""
    run, remove = fake.calls
    assert remove == ["rm", "--force", *values_of(run, "--name")]


@pytest.mark.parametrize("code", [125, 126, 127])
async def test_exit_code_of_the_engine_itself_is_its_error_in_its_words(fake: FakeEngine, code: int) -> None:
    engine = fake.engine(f"echo 'docker: no such image' >&2; exit {code}")
    with pytest.raises(EngineCommandError) as caught:
        async with engine.run(SPEC, log=TextLog()) as container:
            await container.wait()
    assert (caught.value.output, caught.value.command[1]) == ("docker: no such image", "run")


async def test_engine_error_is_not_missed_by_who_does_not_wait(fake: FakeEngine) -> None:
    with pytest.raises(EngineCommandError):
        async with fake.engine("exit 125").run(SPEC, log=TextLog()) as container:
            assert await container.read_line(100) == b""


async def test_engine_that_nobody_serves_is_unavailable(fake: FakeEngine) -> None:
    engine = fake.engine("echo 'Cannot connect to the Docker daemon at unix:///x' >&2; exit 125")
    with pytest.raises(EngineUnavailableError):
        async with engine.run(SPEC, log=TextLog()) as container:
            await container.wait()
    with pytest.raises(EngineUnavailableError):
        await engine.ping()


async def test_engine_that_is_not_installed_is_unavailable(tmp_path: Path) -> None:
    engine = ContainerEngine(EngineCommand(program=str(tmp_path / "none")))
    with pytest.raises(EngineUnavailableError):
        async with engine.run(SPEC, log=TextLog()):
            pass
    with pytest.raises(EngineUnavailableError):
        await engine.ping()


@pytest.mark.parametrize("error", [KeyError("ours"), asyncio.CancelledError()])
async def test_container_is_killed_by_name_when_the_block_ends_early(fake: FakeEngine, error: BaseException) -> None:
    engine = fake.engine(f"echo begun; while ! [ -e {fake.killed} ]; do sleep 0.01; done; exit 137")

    async def fail_inside() -> None:
        async with engine.run(SPEC, log=TextLog()) as container:
            assert await container.read_line(100) == b"begun\n"
            raise error

    with pytest.raises(type(error)):
        await fail_inside()
    run, remove = fake.calls
    assert remove == ["rm", "--force", *values_of(run, "--name")]


async def test_client_that_cannot_write_any_more_is_ended_too(fake: FakeEngine) -> None:
    engine = fake.engine(f"yes & while ! [ -e {fake.killed} ]; do sleep 0.01; done; kill $!; exit 137")
    async with asyncio.timeout(20), engine.run(SPEC, log=TextLog()) as container:
        assert await container.read_line(100) == b"y\n"


class DeafLog:
    """A log that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.listens = asyncio.Event()
        self.size_bytes = 0

    async def write(self, data: bytes) -> None:
        await self.listens.wait()
        self.size_bytes += len(data)

    async def note(self, text: str, *, stage: str | None = None) -> None:
        raise AssertionError(f"the engine has nothing to note: {text} {stage}")


async def test_program_whose_log_nobody_takes_is_held_up_in_its_own_write(fake: FakeEngine, tmp_path: Path) -> None:
    written = tmp_path / "written"
    flood = f"for n in $(seq 64); do head --bytes=65536 /dev/zero >&2; echo $n > {written}; done"
    log = DeafLog()
    async with asyncio.timeout(60), fake.engine(flood).run(SPEC, log=log) as container:
        await asyncio.sleep(2)
        count = int(written.read_text())
        log.listens.set()
        assert await container.wait() == 0
    assert count <= 8, "half a megabyte of four may be on its way"
    assert log.size_bytes == 64 << 16


@pytest.mark.parametrize("labels", [{}, {"org.wheelyard.worker": "worker-1"}])
async def test_leftovers_are_only_our_own(fake: FakeEngine, labels: Mapping[str, str]) -> None:
    assert await fake.engine().remove_leftovers(labels) == 2
    listed, removed = fake.calls
    filters = [f"label={PROJECT_LABEL}", *(f"label={key}={value}" for key, value in labels.items())]
    assert [argument for argument in listed if argument.startswith("label=")] == filters
    assert removed == ["rm", "--force", "one", "two"]


async def test_leftovers_that_cannot_be_removed_yet_are_tried_again(fake: FakeEngine, tmp_path: Path) -> None:
    engine, busy = fake.engine(), tmp_path / "busy"
    busy.touch()
    script = tmp_path / "engine"
    script.write_text(script.read_text().replace("rm) ", f"rm) if test -e {busy}; then rm {busy}; exit 1; fi; "))
    assert await engine.remove_leftovers({}) == 2
    assert [call[0] for call in fake.calls] == ["ps", "rm", "ps", "rm"]


@pytest.mark.parametrize("stays", [True, False])
async def test_leftovers_that_stay_in_spite_of_all_tries_are_in_the_log(
    fake: FakeEngine, tmp_path: Path, *, stays: bool
) -> None:
    fake.engine()
    script = tmp_path / "engine"
    text = script.read_text().replace("rm) ", "rm) echo 'removal is already in progress' >&2; exit 1; ")
    # The eleventh call is the last look.
    gone = f"ps) test $(grep -c === {tmp_path}/calls) -gt 10 && exit 0; "
    script.write_text(text if stays else text.replace("ps) ", gone))
    with capture_logs() as entries:
        assert await remove_leftovers(EngineCommand(program=str(script)), {}, again_seconds=0) == 2
    told = [(one["event"], one["containers"], one["reason"]) for one in entries]
    assert told == ([("leftovers-remain", ["one", "two"], "removal is already in progress")] if stays else [])
    assert [call[0] for call in fake.calls] == [*["ps", "rm"] * 5, "ps"]
