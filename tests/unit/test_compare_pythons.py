"""Two Pythons differ for extension modules exactly if a variable or a header that these use differs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "builders" / "probes" / "compare_pythons.py"
QUICK = {
    "CC": "gcc",
    "CFLAGS": "-fno-strict-overflow -DNDEBUG -O3",
    "LDSHARED": "gcc -shared",
    "CONFIG_ARGS": "'--prefix=/opt/python/3.13'",
    "PY_CFLAGS_NODIST": "-fvisibility=hidden",
    "LIBEXPAT_CFLAGS": "-I./Modules/expat -O3 -fvisibility=hidden -fPIC",
    "LIBHACL_CFLAGS": "-I./Modules/_hacl/include -O3 -fvisibility=hidden -fPIC",
    "LIBMPDEC_CFLAGS": "-I./Modules/_decimal/libmpdec -O3 -fvisibility=hidden -fPIC",
    "abs_builddir": "/build/python/source",
    "BLDLIBRARY": "-L/build/python/source -lpython3.13",
}
OPTIMISED = QUICK | {
    "CONFIG_ARGS": "'--prefix=/opt/python/3.13' '--enable-optimizations' '--with-lto'",
    "PY_CFLAGS_NODIST": "-flto -fprofile-use -fvisibility=hidden",
    "LIBEXPAT_CFLAGS": "-I./Modules/expat -O3 -flto -fprofile-use -fvisibility=hidden -fPIC",
    "LIBHACL_CFLAGS": "-I./Modules/_hacl/include -O3 -flto -fprofile-use -fvisibility=hidden -fPIC",
    "LIBMPDEC_CFLAGS": "-I./Modules/_decimal/libmpdec -O3 -flto -fprofile-use -fvisibility=hidden -fPIC",
    "abs_builddir": "/scratch/source",
    "BLDLIBRARY": "-L/scratch/source -lpython3.13",
}


def install(prefix: Path, variables: dict[str, str], header: str = "#define PY 1\n") -> Path:
    lib, include = prefix / "lib" / "python3.13", prefix / "include" / "python3.13"
    lib.mkdir(parents=True)
    include.mkdir(parents=True)
    (lib / "_sysconfigdata__linux_x86_64-linux-gnu.py").write_text(f"build_time_vars = {variables!r}\n")
    (include / "pyconfig.h").write_text(header)
    return prefix


def compare(quick: Path, optimised: Path) -> tuple[int, str]:
    command = [sys.executable, "-I", str(PROBE), str(quick), str(optimised), "/scratch/source"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr


def test_flags_of_cpython_itself_and_places_may_differ(tmp_path: Path) -> None:
    assert compare(install(tmp_path / "a", QUICK), install(tmp_path / "b", OPTIMISED)) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"), [("CFLAGS", "-flto -O3"), ("LDSHARED", "gcc -shared -flto"), ("OPT", "-O2"), ("CC", "")]
)
def test_flag_that_reaches_extension_modules_is_named(tmp_path: Path, name: str, value: str) -> None:
    code, said = compare(install(tmp_path / "a", QUICK), install(tmp_path / "b", OPTIMISED | {name: value}))
    assert code == 1
    assert f"{name}: " in said


def test_header_that_differs_is_named(tmp_path: Path) -> None:
    code, said = compare(install(tmp_path / "a", QUICK), install(tmp_path / "b", OPTIMISED, "#define PY 2\n"))
    assert code == 1
    assert "pyconfig.h differs" in said
