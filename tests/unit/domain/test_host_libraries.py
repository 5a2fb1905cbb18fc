"""Which libraries of the host may be grafted: every name that manylinux promises is judged."""

import re
from pathlib import Path

import pytest

from wheelyard.domain.healing.host_libraries import is_judged, judge_host_library, refused_grafts

ROOT = Path(__file__).parents[3]
READ_FROM = "auditwheel==6.8.2"
"""The release whose policies the names below were read from."""
PROMISED = {
    **dict.fromkeys(("libexpat.so.1", "libz.so.1"), True),
    **dict.fromkeys(("libc.so.6", "libm.so.6", "libmvec.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"), False),
    **dict.fromkeys(("libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnsl.so.1"), False),
    **dict.fromkeys(("libstdc++.so.6", "libgcc_s.so.1", "libatomic.so.1"), False),
    **dict.fromkeys(("libglib-2.0.so.0", "libgobject-2.0.so.0", "libgthread-2.0.so.0"), False),
    **dict.fromkeys(("libX11.so.6", "libXext.so.6", "libXrender.so.1", "libICE.so.6", "libSM.so.6"), False),
    "libGL.so.1": False,
}
"""Every name of ``lib_whitelist`` in auditwheel's manylinux policies, and whether a copy of it is harmless."""


def test_names_are_those_of_the_pinned_auditwheel() -> None:
    """A newer auditwheel may promise other libraries: judge them, and name its version here."""
    lock = (ROOT / "builders" / "tools.lock").read_text(encoding="utf-8")
    assert re.findall(r"^auditwheel==\S+", lock, re.MULTILINE) == [READ_FROM]


@pytest.mark.parametrize(("soname", "may_graft"), PROMISED.items())
def test_every_promised_library_is_judged_with_a_reason(soname: str, may_graft: bool) -> None:  # noqa: FBT001
    judged = judge_host_library(soname)
    assert is_judged(soname)
    assert (judged.soname, judged.may_graft) == (soname, may_graft)
    assert judged.reason


@pytest.mark.parametrize(
    "soname",
    [
        *("ld-linux-x86-64.so.2", "libgio-2.0.so.0", "libgmodule-2.0.so.0", "libgtk-3.so.0", "libxcb-shm.so.0"),
        *("libXrandr.so.2", "libwayland-client.so.0", "libEGL.so.1", "libGLX.so.0", "libOpenGL.so.0", "libdrm.so.2"),
        *("libgbm.so.1", "libcuda.so.1", "libva.so.2"),
    ],
)
def test_relatives_of_what_must_be_there_once_stay_the_hosts_too(soname: str) -> None:
    assert not judge_host_library(soname).may_graft


@pytest.mark.parametrize("soname", ["libyaml-0.so.2", "libGLEW.so.2.2", "libvala.so.0", "libcurl.so.4"])
def test_library_that_nothing_is_known_against_may_be_grafted(soname: str) -> None:
    assert judge_host_library(soname).may_graft
    assert not is_judged(soname)


def test_patterns_that_reach_such_a_library_are_refused_with_the_reason() -> None:
    assert refused_grafts(["libexpat.so.1", "libz.so.*"]) == ()
    (refusal,) = refused_grafts(["libg*-2.0.so.0", "libexpat.so.1"])
    assert "'libg*-2.0.so.0' must stay the host's (libglib-2.0.so.0): it has one registry of types" in refusal
