"""The images, read off the real engine: what is in them, what is not, and that they are made once."""

import asyncio
import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.image_locks import IMAGE_LOCKS

from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.contents import read_packages, read_sbom
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.plans import environment_build
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.packages import digest_lock
from wheelyard.domain.catalogue.sbom import read_sbom_content
from wheelyard.domain.healing.host_libraries import is_judged
from wheelyard.errors import (
    DownloadFailedError,
    EngineCommandError,
    EngineUnavailableError,
    NotFoundError,
    PackageUnknownError,
    RecipeInvalidError,
)

BUILDERS = Path(__file__).parents[2] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
SUITE, PYTHON = "bookworm", "3.13"
MIB = 1 << 20

# How every container of a build runs; a wheel's extension modules are mapped from /tmp, hence exec.
CONFINED = (
    "--rm", "--read-only", "--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--network", "none", "--tmpfs", "/tmp:exec", "--tmpfs", "/scratch:exec",  # noqa: S108  inside a container
)  # fmt: skip

C_EXTENSION = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "two_lines"};
PyMODINIT_FUNC PyInit_two_lines(void) { return PyModule_Create(&module); }
"""

BUILD_EXTENSION = """
import importlib.util, subprocess, sysconfig
value = sysconfig.get_config_var
flags = [*value("CFLAGS").split(), *value("CCSHARED").split(), "-I" + sysconfig.get_path("include")]
file = "two_lines" + value("EXT_SUFFIX")
subprocess.run([*value("LDSHARED").split(), *flags, "two_lines.c", "-o", file], check=True)
import two_lines
print(two_lines.__name__, *flags)
"""

STANDARD_LIBRARY = """
import bz2, ctypes, datetime, json, lzma, sqlite3, ssl, sys, tempfile, uuid, zlib, zoneinfo
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "round_trips": all(m.decompress(m.compress(b"wheel")) == b"wheel" for m in (bz2, lzma, zlib)),
    "sqlite": sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,),
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "ctypes": ctypes.CDLL(None).getpid() > 0,
    "uuid": uuid.uuid4().version,
    "summer": datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset().seconds,
}))
"""


def open_files() -> int:
    return min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


@pytest.fixture(scope="session")
def engine() -> EngineCommand:
    program = os.environ.get("WHEELYARD_ENGINE") or next(filter(shutil.which, ("docker", "podman")), "docker")
    return EngineCommand(program=program, ulimits=container_ulimits(program, open_files=open_files()))


@pytest.fixture(scope="session")
def options() -> ImageOptions:
    return ImageOptions(lock_dir=IMAGE_LOCKS)


@pytest.fixture(scope="session")
def images(engine: EngineCommand, options: ImageOptions, tmp_path_factory: pytest.TempPathFactory) -> ImageBuilder:
    return ImageBuilder(
        engine=engine,
        catalogue=CATALOGUE,
        builders_dir=BUILDERS,
        cache_dir=tmp_path_factory.mktemp("cache"),
        options=options,
    )


@pytest.fixture(scope="session")
async def builder(images: ImageBuilder) -> str:
    return await images.ensure_builder(SUITE)


@pytest.fixture(scope="session")
async def runtime(images: ImageBuilder) -> str:
    return await images.ensure_runtime(SUITE, PYTHON)


@pytest.fixture(scope="session")
async def both(builder: str, runtime: str) -> dict[str, str]:
    return {"builder": builder, "runtime": runtime}


async def run(engine: EngineCommand, image: str, *command: str) -> str:
    return (await engine.run(["run", *CONFINED, *engine.ulimit_args, image, *command])).text


async def shell(engine: EngineCommand, image: str, script: str) -> str:
    return await run(engine, image, "sh", "-euc", script)


async def record(engine: EngineCommand, image: str) -> ImageRecord:
    found = await find_image(engine, image)
    assert found is not None
    return found


async def test_runtime_python_has_its_whole_standard_library(engine: EngineCommand, runtime: str) -> None:
    facts = json.loads(await run(engine, runtime, "python3", "-c", STANDARD_LIBRARY))
    assert facts.pop("certificates") > 50
    assert ".".join(map(str, facts.pop("version"))) in {source.version for source in CATALOGUE.python[PYTHON].source}
    assert facts == {"round_trips": True, "sqlite": True, "ctypes": True, "uuid": 4, "summer": 7200}


async def test_runtime_has_no_compiler_no_pip_and_no_headers(engine: EngineCommand, runtime: str) -> None:
    script = """
    for name in gcc g++ cc c++ ld make pip pip3; do command -v $name || true; done
    find / -xdev \\( -name '*.h' -o -name '*.a' -o -name 'ensurepip' -o -path '*/site-packages/pip' \\) 2>/dev/null
    find /opt -name test -o -name tests
    ls /var/lib/apt/lists
    find /var/cache/apt -type f 2>/dev/null
    """
    left = [line for line in (await shell(engine, runtime, f"({script}) || true")).splitlines() if line]
    # The bare image still has apt: its own headers of locks and empty folders are no caches.
    assert [line for line in left if line not in {"lock", "partial", "auxfiles"} and "/lock" not in line] == []


async def test_runtime_misses_no_shared_library(engine: EngineCommand, runtime: str) -> None:
    script = "find /opt/python -name '*.so*' -type f -exec ldd {} + | grep 'not found' || true"
    assert await shell(engine, runtime, script) == ""


@pytest.mark.parametrize("image", ["builder", "runtime"])
async def test_nobody_is_root_and_only_scratch_can_be_written(
    engine: EngineCommand, both: dict[str, str], image: str
) -> None:
    # Without the confinement: what the image itself forbids.
    args = ["run", "--rm", "--network", "none", *engine.ulimit_args, both[image], "sh", "-c"]
    script = "id -u; pwd; find / -xdev -writable -not -type l 2>/dev/null | grep -v -e ^/proc -e ^/dev || true"
    uid, folder, *writable = (await engine.run([*args, script])).text.splitlines()
    assert (uid, folder) == ("1000", "/scratch")
    homes = [path for path in writable if not path.startswith(("/home/wheelyard", "/tmp", "/var/tmp", "/scratch"))]  # noqa: S108
    assert [path for path in homes if path not in {"/run/lock", "/var/lock"}] == []


async def test_runtime_is_small(engine: EngineCommand, runtime: str) -> None:
    assert (await record(engine, runtime)).size_bytes < 150 * MIB


@pytest.mark.parametrize("image", ["builder", "runtime"])
async def test_labels_say_what_an_image_is(engine: EngineCommand, both: dict[str, str], image: str) -> None:
    found = await record(engine, both[image])
    assert found.labels["project"] == "wheelyard"
    assert (found.role, found.labels["suite"], found.labels["python"]) == (image, SUITE, PYTHON)
    assert found.labels["policy"] == f"manylinux_2_36_{found.labels['architecture']}"
    assert found.labels["base-digest"].startswith("sha256:")
    assert any(tag.endswith(f":{found.definition[:12]}") for tag in found.tags)


async def test_builder_has_its_tools_pinned(engine: EngineCommand, builder: str) -> None:
    lock = (BUILDERS / "tools.lock").read_text()
    script = "auditwheel --version; patchelf --version; python -m build --version; uv --version; wheel version"
    said = await shell(engine, builder, script)
    for name, version in (line.split(" ")[0].split("==") for line in lock.splitlines() if "==" in line):
        if name in {"auditwheel", "build", "uv", "wheel"}:
            assert f"{name} {version}" in said
    assert "patchelf 0." in said


async def test_every_library_that_a_policy_promises_is_judged(engine: EngineCommand, builder: str) -> None:
    script = (
        "import json; from pathlib import Path; import auditwheel.policy as found; "
        "policies = json.loads(Path(found.__file__).with_name('manylinux-policy.json').read_text()); "
        "print(*sorted({name for policy in policies for name in policy['lib_whitelist']}))"
    )
    names = (await shell(engine, builder, f'/opt/wheelyard/tools/bin/python -c "{script}"')).split()
    assert "libexpat.so.1" in names
    assert [name for name in names if not is_judged(name)] == []


async def test_builder_compiles_an_extension_module(engine: EngineCommand, builder: str) -> None:
    script = f"cat > two_lines.c <<'END'\n{C_EXTENSION}END\n/opt/python/{PYTHON}/bin/python -c '{BUILD_EXTENSION}'"
    name, *flags = (await shell(engine, builder, script)).split()
    assert name == "two_lines"
    assert not [flag for flag in flags if flag.startswith(("-march", "-g", "-flto", "-specs", "-fprofile"))]


async def test_builder_has_no_headers_that_a_recipe_must_name(engine: EngineCommand, builder: str) -> None:
    said = await shell(engine, builder, "for h in openssl/ssl.h ffi.h zlib.h; do find /usr/include -path */$h; done")
    assert said == ""


async def test_environment_adds_packages_once(engine: EngineCommand, images: ImageBuilder, builder: str) -> None:
    first = await images.ensure_environment(builder, ["libyaml-dev"])
    lines: list[str] = []
    again = images.reporting_to(lines.append)
    assert await again.ensure_environment(builder, ["libyaml-dev", "libyaml-dev"]) == first != builder
    assert lines == []
    assert await shell(engine, first, "id -u; ls /usr/include/yaml.h") == "1000\n/usr/include/yaml.h"
    environment = await record(engine, first)
    assert environment.labels["builder"] == builder
    await expect_own_sbom(engine, environment, adds="libyaml-dev")


async def expect_own_sbom(engine: EngineCommand, image: ImageRecord, *, adds: str) -> None:
    """Read the lock and the SBOM off an image that is made from a builder: what it adds, and all that was there."""
    packages = await read_packages(engine, image.id)
    assert digest_lock(packages) == image.labels["packages-digest"]
    content = read_sbom_content(await read_sbom(engine, image.id))
    below = read_sbom_content(await read_sbom(engine, image.labels["builder"]))
    assert content.packages == packages
    assert {adds} <= {one.name for one in packages} - {one.name for one in below.packages}
    assert (content.pythons, content.tools) == (below.pythons, below.tools)
    assert content.version == image.definition != below.version


async def test_two_workers_that_want_the_same_image_make_it_once(
    engine: EngineCommand, options: ImageOptions, builder: str, tmp_path: Path
) -> None:
    name, _ = environment_build(await record(engine, builder), ("libyaml-dev", "zlib1g-dev"))
    await engine.run(["image", "rm", name.tag], check=False)
    workers = [
        ImageBuilder(engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
        for _ in range(2)
    ]
    lines: list[str] = []
    made = await asyncio.gather(
        *(
            worker.reporting_to(lines.append).ensure_environment(builder, ["zlib1g-dev", "libyaml-dev"])
            for worker in workers
        )
    )
    assert len(set(made)) == 1
    assert lines.count(f"{name.tag}: building") == 1
    assert lines.count(f"{name.tag}: it is being made, waiting") == 1


async def test_environment_without_packages_is_the_builder(images: ImageBuilder, builder: str) -> None:
    assert await images.ensure_environment(builder, []) == builder


async def test_environment_with_an_unknown_package_says_which(images: ImageBuilder, builder: str) -> None:
    with pytest.raises(PackageUnknownError, match="libdoesnotexist-dev"):
        await images.ensure_environment(builder, ["libdoesnotexist-dev"])


async def test_environment_refuses_what_is_no_package_name(images: ImageBuilder, builder: str) -> None:
    with pytest.raises(RecipeInvalidError, match="rm -rf"):
        await images.ensure_environment(builder, ["libyaml-dev; rm -rf /"])


async def test_images_are_made_once_and_listed(images: ImageBuilder, builder: str, runtime: str) -> None:
    lines: list[str] = []
    again = images.reporting_to(lines.append)
    assert await again.ensure_builder(SUITE) == builder
    assert await again.ensure_runtime(SUITE, PYTHON) == runtime
    assert lines == []
    assert {builder, runtime} <= {image.id for image in await images.list_images()}


async def test_unknown_suite_and_python_are_refused(images: ImageBuilder) -> None:
    with pytest.raises(NotFoundError, match="sarge"):
        await images.ensure_builder("sarge")
    with pytest.raises(NotFoundError, match=r"3\.5"):
        await images.ensure_runtime(SUITE, "3.5")


async def test_source_that_no_mirror_has_names_every_mirror(
    engine: EngineCommand, options: ImageOptions, builder: str, tmp_path: Path
) -> None:
    assert builder  # The base is there, so nothing but the source is missing.
    mirrors = ("{apt}/pool/no-such-file.tar.xz", "http://127.0.0.1:9/python.tar.xz")
    source = CATALOGUE.python[PYTHON].source[0].model_copy(update={"sha256": "0" * 64, "mirrors": mirrors})
    lost = CATALOGUE.python[PYTHON].model_copy(update={"source": (source,)})
    catalogue = CATALOGUE.model_copy(update={"python": {**CATALOGUE.python, PYTHON: lost}})
    other = ImageBuilder(engine=engine, catalogue=catalogue, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
    with pytest.raises(DownloadFailedError) as caught:
        await other.ensure_runtime(SUITE, PYTHON)
    assert "no-such-file.tar.xz (it answered 404" in caught.value.tried[0]
    assert caught.value.tried[1].startswith("http://127.0.0.1:9/python.tar.xz (")


async def test_cancelled_image_build_leaves_nothing_running(
    engine: EngineCommand, images: ImageBuilder, builder: str
) -> None:
    started = asyncio.Event()

    def on_line(line: str) -> None:
        if "Running in" in line or "RUN" in line:
            started.set()

    task = asyncio.create_task(images.reporting_to(on_line).ensure_environment(builder, ["libgtk-3-dev"]))
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(100):
        left = (await engine.run(["ps", "--all", "--quiet", "--filter", f"ancestor={builder}"])).text
        if not left:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"containers are left: {left}")


async def test_missing_engine_and_failed_command_are_told_apart(engine: EngineCommand) -> None:
    with pytest.raises(EngineUnavailableError):
        await replace(engine, program="no-such-engine").run(["version"])
    with pytest.raises(EngineCommandError, match="no-such-image"):
        await engine.run(["image", "inspect", "no-such-image"])
    if "docker" in engine.program:
        with pytest.raises(EngineUnavailableError):
            await replace(engine, prefix=("--host", "unix:///nowhere.sock")).run(["info"])
