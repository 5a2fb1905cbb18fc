"""Every promise is looked at: images that break each of them in turn, and the check that must notice.

What is wrong lies in as few images as it takes for no fault to hide another.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.image_harness import BUILDERS, PYTHON, SUITE, Harness, make_harness

from wheelyard.adapters.images.build import ImageBuild
from wheelyard.adapters.images.checks import check_image
from wheelyard.adapters.images.names import find_image

LIBRARY = f"/opt/python/{PYTHON}/lib/python{PYTHON}"
PIP = f"/opt/venv/lib/python{PYTHON}/site-packages/pip"
WITH_A_TIME = f"/opt/python/{PYTHON}/bin/python -B -m compileall -q -f --invalidation-mode timestamp {LIBRARY}/queue.py"
RUNTIME_FAULTS = {
    "tools": "install -m 755 /dev/null /usr/bin/gcc",
    "headers": "mkdir -p /usr/include && touch /usr/include/x.h",
    "writable": "chmod 777 /opt/venv",
    "environment": "chown 1000 /opt/venv/pyvenv.cfg",
    "owner": "touch /opt/theirs && chown 1000:1000 /opt/theirs",
    "pip": f"mkdir {PIP} && touch {PIP}/__init__.py {PIP}/__main__.py",
    "compression": f"rm {LIBRARY}/lib-dynload/_bz2.*",
    "sqlite": f"rm {LIBRARY}/lib-dynload/_sqlite3.*",
    "ctypes": f"rm {LIBRARY}/lib-dynload/_ctypes.*",
    "time_zones": "rm -rf /usr/share/zoneinfo",
    "tls": "rm /usr/bin/openssl",
    "certificates": "rm -rf /etc/ssl/certs",
    "debug_symbols": f"cp /made/debug.so /usr/lib/ && cp /made/symbols.so {LIBRARY}/ && rm -r /made",
    "setuid": "chmod u+s /usr/bin/env && chmod g+s /usr/bin/id",
    "leftovers": f"mkdir {LIBRARY}/test && touch {LIBRARY}/libpython.a",
    "byte_code": f"rm {LIBRARY}/__pycache__/queue.*",
    "caches": "touch /var/lib/apt/lists/a_Packages /var/cache/apt/archives/b.deb",
    "container_users": "sed -i '/:60706:/d' /etc/passwd",
}
BUILDER_FAULTS = {
    "tools": "rm /usr/bin/patch",
    "pythons": f"rm -r /opt/python/{PYTHON}/include",
    "development_packages": "mkdir -p /usr/include/openssl && touch /usr/include/openssl/ssl.h",
    "user": "chmod 777 /opt/wheelyard",
    "debug_symbols": f"cp /made/debug.so /made/symbols.so {LIBRARY}/ && rm -r /made",
    "setuid": "chmod g+s /usr/bin/make",
    "owner": "chown 1000 /opt/wheelyard/sbom.json",
    "leftovers": f"mkdir -p {LIBRARY}/ensurepip {LIBRARY}/tkinter && touch {LIBRARY}/x.o",
    "byte_code": WITH_A_TIME,
    "caches": "touch /var/lib/apt/lists/a_InRelease /var/cache/apt/pkgcache.bin",
    "container_users": "sed -i '/:61183:/d' /etc/group",
}
COMPILE = (
    "mkdir /tmp/made && cd /tmp/made && echo 'int one;' > x.c"
    " && gcc -shared -g -o debug.so x.c && gcc -shared -o symbols.so x.c"
)


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    return make_harness(tmp_path_factory.mktemp("images"))


async def problems_of(harness: Harness, role: str, *steps: str, user: str = "1000:1000") -> dict[str, tuple[str, ...]]:
    """Build an image on a finished one and give what its checks find, by check; none that finds nothing is in it."""
    builder = await harness.images.ensure_builder(SUITE, python=PYTHON)
    below = builder if role == "builder" else await harness.images.ensure_runtime(SUITE, PYTHON)
    spoil = " && ".join(steps)
    dockerfile = (
        f"FROM {builder} AS made\nRUN {COMPILE}\n"
        f"FROM {below} AS spoilt\nUSER 0\nCOPY --from=made /tmp/made/ /made/\nRUN {spoil}\nUSER {user}\n"
    )
    tag = f"wheelyard/test-spoilt-{role}:{len(steps)}-{user.replace(':', '-')}"
    build = ImageBuild(tag=tag, labels={"role": role, "definition": "spoilt"}, dockerfile=dockerfile)
    image = await harness.images.run.build(build)
    try:
        # A size that no runtime image may have; of builders none is asked for.
        report = await check_image(harness.engine, replace(image, size_bytes=1 << 30), probes=BUILDERS / "probes")
    finally:
        await harness.engine.run(["image", "rm", tag], check=False)
    return {check.name: check.problems for check in report.checks if check.problems}


@pytest.fixture(scope="module")
async def runtime_problems(harness: Harness) -> Mapping[str, tuple[str, ...]]:
    return await problems_of(harness, "runtime", *RUNTIME_FAULTS.values())


@pytest.fixture(scope="module")
async def builder_problems(harness: Harness) -> Mapping[str, tuple[str, ...]]:
    return await problems_of(harness, "builder", *BUILDER_FAULTS.values())


@pytest.mark.parametrize("check", [*RUNTIME_FAULTS, "size"])
def test_spoilt_runtime_is_noticed(runtime_problems: Mapping[str, tuple[str, ...]], check: str) -> None:
    assert runtime_problems.get(check)


@pytest.mark.parametrize("check", BUILDER_FAULTS)
def test_spoilt_builder_is_noticed(builder_problems: Mapping[str, tuple[str, ...]], check: str) -> None:
    assert builder_problems.get(check)


def test_both_kinds_of_symbols_are_told_apart(runtime_problems: Mapping[str, tuple[str, ...]]) -> None:
    found = runtime_problems["debug_symbols"]
    assert "/usr/lib/debug.so: .debug_info" in found
    assert f"{LIBRARY}/symbols.so: .symtab" in found
    assert not any(name.startswith("/usr/lib/symbols.so") for name in found)


async def test_kernel_that_is_open_is_noticed(harness: Harness) -> None:
    runtime = await find_image(harness.engine, await harness.images.ensure_runtime(SUITE, PYTHON))
    assert runtime is not None
    report = await check_image(replace(harness.engine, seccomp=Path("unconfined")), runtime, probes=BUILDERS / "probes")
    problems = {check.name: " ".join(check.problems) for check in report.checks if check.problems}
    assert set(problems) == {"calls", "sockets", "filter"}
    assert "ptrace: it succeeded" in problems["calls"]
    assert "AF_VSOCK" in problems["sockets"]
    assert problems["filter"] == "Seccomp: 0"


@pytest.mark.parametrize("role", ["runtime", "builder"])
async def test_image_that_runs_as_root_is_noticed(harness: Harness, role: str) -> None:
    problems = await problems_of(harness, role, "rm -r /made", user="0")
    assert "0" in problems["user"][0]
