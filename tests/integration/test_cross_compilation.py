"""A cross-compiled CPython is configured and built with the flags of a native one."""

import platform
import re

import pytest

from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.names import find_image
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.settings import load_settings

pytestmark = [
    pytest.mark.slow_arm,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="it emulates aarch64 on x86_64"),
]

SUITE, PYTHON = "bookworm", "3.13"
OF_THE_MACHINE = {"HAVE_GCC_ASM_FOR_X64", "HAVE_GCC_ASM_FOR_X87", "HAVE_USABLE_WCHAR_T", "PY_SUPPORT_TIER"}
"""What differs between the two architectures natively, too; wchar_t has a sign on one of them."""
TOLD = """
import sysconfig
names = ("CC", "CXX", "AR", "LDSHARED", "CFLAGS", "CCSHARED", "OPT", "LDFLAGS", "BLDSHARED", "Py_GIL_DISABLED")
print({name: sysconfig.get_config_var(name) for name in names})
"""


@pytest.fixture(scope="module")
def images() -> ImageBuilder:
    check_emulator("aarch64")
    return image_builder(Parts(load_settings()))


async def test_cross_compiled_python_is_configured_as_a_native_one(images: ImageBuilder) -> None:
    told = list[str]()
    headers = list[dict[str, str]]()
    for architecture in ("x86_64", "aarch64"):
        one = images.on(architecture)
        builder = await one.ensure_builder(SUITE, python=PYTHON)
        program = f"/opt/python/{PYTHON}"
        run = ["run", "--rm", "--network", "none", builder]
        told.append((await one.run.engine.run([*run, f"{program}/bin/python", "-c", TOLD])).text)
        text = await one.run.engine.run([*run, "cat", f"{program}/include/python{PYTHON}/pyconfig.h"])
        headers.append(dict(re.findall(r"^#define (\w+) ?(.*)$", text.text, re.MULTILINE)))
    assert told[0] == told[1]
    native, cross = headers
    differing = {name for name in native.keys() | cross.keys() if native.get(name) != cross.get(name)}
    assert differing == OF_THE_MACHINE


async def test_emulated_images_name_their_architecture(images: ImageBuilder) -> None:
    one = images.on("aarch64")
    record = await find_image(one.run.engine, await one.ensure_runtime(SUITE, PYTHON))
    assert record is not None
    assert record.family == f"wheelyard/runtime-{SUITE}-{PYTHON}-aarch64"
    assert (record.labels["architecture"], record.labels["policy"]) == ("aarch64", "manylinux_2_36_aarch64")
    machine = await one.run.engine.run(
        ["run", "--rm", "--network", "none", record.id, "python3", "-c", "import platform; print(platform.machine())"]
    )
    assert machine.text == "aarch64"
