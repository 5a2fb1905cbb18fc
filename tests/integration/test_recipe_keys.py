"""Recipes' keys in real containers: each acts, and each that can go wrong does so with an error of its own.

They are tried on a few tiny projects; ``tests/unit/domain/test_recipe_consumers.py`` says for every key where.
"""

import asyncio
import hashlib
import io
import json
import re
import tarfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.integration.container_harness import ContainerHarness, open_harness

from wheelyard.domain.builds.build import Build, Failure, Stage, Wheel
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile

MIB = 1 << 20
PATCH = b"""\
--- a/amended/__init__.py
+++ b/amended/__init__.py
@@ -2,5 +2,5 @@

 from pathlib import Path

-ANSWER = 41
+ANSWER = 42
 FACTS = Path(__file__).with_name("facts.json").read_text(encoding="utf-8")
--- /dev/null
+++ b/amended/new.py
@@ -0,0 +1 @@
+NEW = True
"""
STALE_PATCH = PATCH.replace(b"-ANSWER = 41", b"-ANSWER = 40")
BEFORE = b"""\
test "$AMENDED" = "by the recipe"
python -c 'import flit_core; print(flit_core.__version__, end="")' > from-the-hook.txt
"""
AFTER = b"""\
#!/bin/sh -eu
wheel unpack --dest unpacked "$WHEELYARD_WHEEL"
printf "the hook was here" > unpacked/amended-1.0/amended/after.txt
wheel pack --dest-dir "$(dirname "$WHEELYARD_WHEEL")" unpacked/amended-1.0
"""
CHECK = b"""\
import importlib.util, json, pathlib, sys
import six
import amended, amended.new

facts = json.loads(amended.FACTS)
facts["answer"] = amended.ANSWER
facts["after-build"] = pathlib.Path(amended.__file__).with_name("after.txt").read_text()
facts["bare"] = importlib.util.find_spec("setuptools") is None
print("facts:", json.dumps(facts), flush=True)
"""


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        member = tarfile.TarInfo("lib-1.0/lib.h")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"/**/"))
    return buffer.getvalue()


LIBRARY = archive()
ADDED = {"lib-1.0.tar.gz": LIBRARY}


def source(to: str, content: bytes = LIBRARY) -> SourceFile:
    return SourceFile(url="memory://index/lib-1.0.tar.gz", sha256=hashlib.sha256(content).hexdigest(), to=to)


BUILDABLE = EffectiveRecipe(
    env=(("AMENDED", "by the recipe"),),
    build_requires=("flit-core",),
    dropped_requires=("no-such-project-as-this-one-at-all",),
    before_build=(RecipeFile.of("before.sh", BEFORE),),
)
"""What the project ``amended`` needs to be built at all."""
EVERYTHING = replace(
    BUILDABLE,
    build_requires=("flit-core", "wheel"),
    config_settings=(("editable", "no"), ("setup-args", ("-Da=1", "-Db=2"))),
    build_constraints=("flit-core<3.12",),
    sources=(source("vendor/as-it-is.tar.gz"), source("vendor/unpacked/")),
    patches=(RecipeFile.of("answer.patch", PATCH),),
    after_build=(RecipeFile.of("after/add", AFTER),),
    memory_bytes=384 * MIB,
    cpus=0.5,
    test_imports=("amended", "amended.new"),
    test_requires=("six",),
    test_files=(RecipeFile.of("check.py", CHECK),),
    test_commands=("python check.py", "test -f check.py && ! command -v gcc"),
)
LIBYAML = EffectiveRecipe(apt=("libyaml-dev",))
EXPAT = EffectiveRecipe(apt=("libexpat1-dev",), expected_extensions=("needs_host",))
"""What the project ``needs-host`` needs to be built; its library is one that every policy promises on the host."""
FORTRAN = EffectiveRecipe(toolchains=("fortran>=10",), expected_extensions=("fortran_native",))


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("state"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened
        await asyncio.gather(*(opened.command.run(["rm", "--force", left]) for left in await opened.containers()))


def succeeded(build: Build) -> Wheel:
    assert build.failure is None
    assert build.wheel is not None
    return build.wheel


def failed(build: Build) -> Failure:
    assert build.wheel is None
    assert build.failure is not None
    return build.failure


async def test_what_a_recipe_says_of_build_and_tests_is_done(harness: ContainerHarness) -> None:
    run = harness.run_of("amended", recipe=EVERYTHING, added=ADDED)
    wheel = succeeded(await run.go())
    facts = json.loads(next(line for line in run.log().splitlines() if line.startswith("facts: "))[7:])
    flit = facts["installed"]["flit-core"]
    assert facts["env"] == "by the recipe"
    assert facts["config-settings"] == {"editable": "no", "setup-args": ["-Da=1", "-Db=2"]}
    assert flit.startswith("3.") and int(flit.split(".")[1]) < 12  # noqa: PT018  one condition: a version below 3.12
    assert facts["before-build"] == flit
    assert facts["placed"] == ["vendor/as-it-is.tar.gz", "vendor/unpacked/lib-1.0/lib.h"]
    assert (facts["answer"], facts["after-build"], facts["bare"]) == (42, "the hook was here", True)
    assert facts["cpu"] == "50000"
    assert wheel.imported_modules == ("amended", "amended.new")
    assert f"limits: 384 MiB, 0.5 cpus, {run.limits.time_seconds} s a stage" in run.log()
    assert {one.filename.partition("-")[0] for one in wheel.build_requirements} >= {"setuptools", "flit_core", "wheel"}


async def test_c_source_of_an_older_cython_is_made_anew(harness: ContainerHarness) -> None:
    recipe = EffectiveRecipe(build_requires=("cython<3.1",), cythonize=("*.pyx",), expected_extensions=("old_cython",))
    run = harness.run_of("old-cython", recipe=recipe)
    assert succeeded(await run.go()).imported_modules == ("old_cython",)
    assert "made old_cython.c anew from old_cython.pyx" in run.log()


async def test_link_to_libpython_succeeds_and_leaves_no_trace(harness: ContainerHarness) -> None:
    wheel = succeeded(await harness.run_of("links-libpython").go())
    assert wheel.imported_modules == ("links_libpython",)
    assert wheel.grafted == ()


@pytest.mark.parametrize(
    ("changes", "stage", "code", "said"),
    [
        ({"dropped_requires": ()}, Stage.BUILD, "build-requirements", "no-such-project-as-this-one-at-all"),
        ({"patches": (RecipeFile.of("a/stale.patch", STALE_PATCH),)}, Stage.BUILD, "patch-failed", "-ANSWER = 40"),
        ({"before_build": (RecipeFile.of("x.sh", b"exit 3"),)}, Stage.BUILD, "hook-failed", "before-build/x.sh failed"),
        ({"after_build": (RecipeFile.of("y.sh", b"no-such"),)}, Stage.BUILD, "hook-failed", "after-build/y.sh failed"),
        ({"sources": (source("backend.py/"),)}, Stage.BUILD, "source-unusable", "backend.py/"),
        ({"time_seconds": 1, "before_build": (RecipeFile.of("z", b"sleep 60"),)}, Stage.BUILD, "time-limit", " 1 s"),
        ({"network": True}, Stage.RESOLVE, "network-refused", "asks for a network"),
        ({"test_commands": ("exit 4",)}, Stage.VERIFY, "verify-failed", "'exit 4' failed: it ended with exit code 4"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
async def test_what_cannot_be_done_is_a_failure_that_says_so(
    harness: ContainerHarness, changes: dict[str, object], stage: Stage, code: str, said: str
) -> None:
    run = harness.run_of("amended", recipe=replace(BUILDABLE, **changes), added=ADDED)  # type: ignore[arg-type]
    failure = failed(await run.go())
    assert (failure.stage, failure.code) == (stage, code)
    assert said in failure.summary
    assert failure.hint
    assert run.index.files == {}


@pytest.mark.parametrize(
    ("rules", "stage", "code", "said"),
    [
        (
            EffectiveRecipe(denied_libraries=("libyaml*",), max_grafted=0),
            Stage.REPAIR,
            "graft-refused",
            "libyaml-0.so.2 of libyaml-0-2",
        ),
        (EffectiveRecipe(policy_floor="manylinux_2_5"), Stage.REPAIR, "policy-floor", "repair.floor is manylinux_2_5"),
        (
            EffectiveRecipe(excluded_libraries=("libyaml*",)),
            Stage.VERIFY,
            "verify-failed",
            "libyaml-0.so.2: cannot open shared object file",
        ),
    ],
    ids=["deny and max-grafted", "floor", "exclude"],
)
async def test_rules_of_repair_hold(
    harness: ContainerHarness, rules: EffectiveRecipe, stage: Stage, code: str, said: str
) -> None:
    run = harness.run_of("needs-library", recipe=replace(rules, apt=LIBYAML.apt))
    failure = failed(await run.go())
    assert (failure.stage, failure.code) == (stage, code)
    assert said in failure.summary


async def test_wheel_is_proven_beside_what_its_recipe_says_of_the_host(harness: ContainerHarness) -> None:
    recipe = replace(EXPAT, test_apt=("libexpat1",), test_commands=("! command -v gcc",))
    run = harness.run_of("needs-host", recipe=recipe)
    wheel = succeeded(await run.go())
    assert (wheel.grafted, wheel.imported_modules) == ((), ("needs_host",))
    assert [(need.soname, need.package) for need in wheel.host_libraries] == [("libexpat.so.1", "libexpat1")]
    assert "libexpat1" in run.log()


async def test_library_that_the_policy_promises_is_grafted_if_the_recipe_says_so(harness: ContainerHarness) -> None:
    run = harness.run_of("needs-host", recipe=replace(EXPAT, grafted_beyond_policy=("libexpat.so.1",)))
    wheel = succeeded(await run.go())
    assert [(one.soname, one.package, one.beyond_policy) for one in wheel.grafted] == [
        ("libexpat.so.1", "libexpat1", True)
    ]
    assert (wheel.host_libraries, wheel.imported_modules) == ((), ("needs_host",))
    assert "grafted although the policy promises them on every host: libexpat.so.1" in run.log()


async def test_wheel_that_needs_the_host_is_not_proven_without_it(harness: ContainerHarness) -> None:
    failure = failed(await harness.run_of("needs-host", recipe=EXPAT).go())
    assert (failure.stage, failure.code) == (Stage.VERIFY, "verify-failed")
    assert "libexpat.so.1: cannot open shared object file" in failure.summary
    assert "libexpat.so.1 is neither in the wheel nor in a bare image" in failure.hint
    assert "test.apt" in failure.hint


async def test_toolchain_that_reaches_the_floor_builds(harness: ContainerHarness) -> None:
    run = harness.run_of("fortran-native", recipe=FORTRAN)
    assert succeeded(await run.go()).extensions == ("fortran_native",)
    said = re.search(r"toolchain fortran (\d+)\.", run.log())
    assert said is not None
    assert int(said[1]) >= 10


async def test_toolchain_below_the_floor_is_refused_before_a_container_starts(harness: ContainerHarness) -> None:
    run = harness.run_of("fortran-native", recipe=replace(FORTRAN, toolchains=("fortran>=99",)))
    failure = failed(await run.go())
    assert (failure.stage, failure.code) == (Stage.PREPARE, "toolchain-too-old")
    assert re.search(r"wants fortran>=99, and the builder of bookworm has fortran 1\d\.\d", failure.summary)
    assert failure.hint
    assert "stage prepare" in run.log()
    assert "stage build" not in run.log()


async def test_memory_of_the_recipe_is_all_there_is(harness: ContainerHarness) -> None:
    recipe = EffectiveRecipe(memory_bytes=160 * MIB, scratch_bytes=48 * MIB)
    failure = failed(await harness.run_of("memory-hog", recipe=recipe).go())
    assert (failure.code, failure.stage) == ("memory-limit", Stage.BUILD)
    assert "160 MiB" in failure.summary


async def test_disk_and_log_of_the_recipe_are_all_there_is(harness: ContainerHarness) -> None:
    recipe = EffectiveRecipe(scratch_bytes=40 * MIB, log_bytes=200)
    build = await harness.run_of("scratch-filler", recipe=recipe).go()
    assert failed(build).code == "disk-limit"
    assert "40 MiB" in failed(build).summary
    assert build.attempts[0].log_truncated


async def test_network_is_there_if_recipe_and_operator_want_it(harness: ContainerHarness) -> None:
    run = harness.run_of("looks-around", recipe=EffectiveRecipe(network=True), network="host")
    succeeded(await run.go())
    facts = json.loads(next(line for line in run.log().splitlines() if line.startswith("facts: "))[7:])
    assert facts["routes"] != [] or set(facts["interfaces"]) != {"lo"}
    assert "network: the build has one" in run.log()
