"""A Python is compiled with a profile for real, passes its tests, and makes the same modules as the quick one."""

from pathlib import Path

import pytest
from tests.integration.image_harness import PYTHON, SUITE, make_harness

from wheelyard.adapters.images.contents import run_in
from wheelyard.adapters.images.optimise import Effort

pytestmark = pytest.mark.slow_pythons

MODULE = """
cd /scratch
printf '%s' '#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "probe"};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&module); }' > probe.c
python=/opt/python/"$PYTHON"/bin/python
flags=$("$python" -c 'import sysconfig as s; v = s.get_config_var; print(
    v("LDSHARED"), v("CFLAGS"), v("CCSHARED"), "-I" + s.get_path("include"))')
$flags probe.c -o probe.so
"$python" -c 'import probe'
sha256sum probe.so
"$python" -c 'import sysconfig; print("--with-lto" in sysconfig.get_config_var("CONFIG_ARGS"))'
"""


async def test_optimised_python_makes_the_same_extension_module(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    await harness.images.ensure_builder(SUITE, python=PYTHON)
    plan = await harness.images.plan(SUITE)
    optimised = await harness.images.optimise(SUITE, PYTHON, effort=Effort(is_background=False))
    try:
        images = (plan.python_name(PYTHON).tag, optimised.id)
        made = [await run_in(harness.engine, image, f"PYTHON={PYTHON}\n{MODULE}") for image in images]
    finally:
        await harness.engine.run(["image", "rm", optimised.name], check=False)
    (quick, quick_lto), (other, other_lto) = (text.splitlines() for text in made)
    assert (quick_lto, other_lto) == ("False", "True")
    assert quick == other
