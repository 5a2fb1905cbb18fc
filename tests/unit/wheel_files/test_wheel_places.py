"""Where the members of a wheel are installed, and that no way leads to a place that is another's."""

import sysconfig
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard.wheel_files.members import check_places, installed_path

INFO = "demo-1.0.dist-info"
DATA = "demo-1.0.data"

PLACES = {
    "demo/__init__.py": "lib/python3/site-packages/demo/__init__.py",
    f"{DATA}/purelib/demo.py": "lib/python3/site-packages/demo.py",
    f"{DATA}/platlib/demo/_c.so": "lib/python3/site-packages/demo/_c.so",
    f"{DATA}/scripts/demo": "bin/demo",
    f"{DATA}/headers/demo.h": "include/python3/demo/demo.h",
    f"{DATA}/data/share/demo/x": "share/demo/x",
    f"{DATA}/data/etc/demo.toml": "etc/demo.toml",
    f"{DATA}/data/bin/demo": "bin/demo",
    f"{DATA}/data/Scripts/demo": "bin/demo",
    f"{DATA}/data/local/bin/demo": "bin/demo",
    f"{DATA}/data/lib64/libdemo.so": "lib/libdemo.so",
    f"{DATA}/data/Lib/site-packages/x.py": "lib/python3/site-packages/x.py",
    f"{DATA}/data/local/lib/python3.13/dist-packages/x.py": "lib/python3/site-packages/x.py",
    f"{DATA}/data/lib64/pypy3.11/x.py": "lib/python3/x.py",
    f"{DATA}/data/include/site/python3.13t/demo/x.h": "include/python3/demo/x.h",
    f"{DATA}/data/include/demo.h": "include/demo.h",
    f"{DATA}/data/demo.toml": "demo.toml",
}


@pytest.mark.parametrize(("member", "path"), PLACES.items(), ids=PLACES)
def test_member_is_installed_at_its_place(member: str, path: str) -> None:
    assert installed_path(member) == path


def refusal_of(*members: str, roots: tuple[str, ...] = ()) -> str | None:
    try:
        check_places(["demo.py", f"{INFO}/METADATA", *members], info=INFO, **({"roots": roots} if roots else {}))
    except ValueError as error:
        return str(error)
    return None


ORDINARY = [
    *PLACES.keys()
    - {
        f"{DATA}/purelib/demo.py",
        f"{DATA}/data/bin/demo",
        f"{DATA}/data/Scripts/demo",
        f"{DATA}/data/local/bin/demo",
        f"{DATA}/data/include/site/python3.13t/demo/x.h",
        *(name for name, path in PLACES.items() if f"{DATA}/data/" in name and path.startswith("lib/python3/")),
    },
    f"{DATA}/data/",
    f"{DATA}/data/share/jupyter/labextensions/demo/package.json",
    f"{DATA}/data/etc/jupyter/jupyter_server_config.d/demo.json",
    f"{DATA}/data/lib/pkgconfig/demo.pc",
    f"{DATA}/data/lib/cmake/demo/demo.cmake",
    f"{DATA}/data/include/demo/demo.h",
    f"{DATA}/data/share/python/demo.txt",
    f"{DATA}/data/share/man/man1/demo.1",
    f"{DATA}/platlib/zope/interface/_c.so",
    "google/cloud/demo.py",
    "sphinxcontrib/demo/__init__.py",
    "demo/_vendor/packaging-24.0.dist-info/METADATA",
    f"{DATA}/purelib/demo/_vendor/old.egg-info",
    f"{INFO}/licenses/LICENSE",
    "demo/site-packages/x.py",
    f"{DATA}/purelib/demo/train.data/x",
    f"{DATA}/purelib/words.data",
    f"{DATA}/data/share/train.data/x",
    "x.dist-information",
]


def test_what_wheels_have_is_accepted() -> None:
    assert refusal_of(*ORDINARY) is None


@pytest.mark.parametrize("scheme", sysconfig.get_scheme_names())
def test_no_scheme_of_pythons_has_a_way_to_modules_through_data(scheme: str) -> None:
    named = dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase", "userbase"), "/env")
    paths = sysconfig.get_paths(scheme, named)
    # On Windows the standard library has no folder that is nobody else's.
    for key in ("purelib", "platlib", *(() if scheme.startswith("nt") else ("stdlib", "platstdlib"))):
        way = paths[key].removeprefix(paths["data"]).strip("/")
        assert refusal_of(f"{DATA}/data/{way}/x.py"), paths[key]
    way = paths["include"].removeprefix(paths["data"]).strip("/")
    if "python" in way.rpartition("/")[2]:
        assert refusal_of(f"{DATA}/data/{way}/Python.h")
        assert refusal_of(f"{DATA}/data/{way}/greenlet/greenlet.h")


@st.composite
def respelled(draw: st.DrawFn, text: str) -> str:
    """Spell a part of a path in another way that some file system takes for the same."""
    letters = [draw(st.sampled_from(sorted({one, one.upper(), *SPELLINGS.get(one, ())}))) for one in text]
    ignored = draw(st.sampled_from(["", "", "\u200b", "\ufeff", "\u00ad"]))
    place = draw(st.integers(0, len(letters)))
    spelled = "".join([*letters[:place], ignored, *letters[place:]])
    return draw(
        st.sampled_from([spelled, unicodedata.normalize("NFD", spelled), unicodedata.normalize("NFKC", spelled)])
    )


SPELLINGS = {"s": "\u017f\uff53", "i": "\uff49", "k": "\u212a", "e": "\uff45", "-": "\uff0d", "o": "\uff4f"}
libraries = st.sampled_from(["lib", "lib64", "lib32", "local/lib", "usr/lib", "a/b/lib"])
pythons = st.sampled_from(["python3.13", "python3", "python", "python3.13t", "pypy3.11", "python3.14d"])
sites = st.sampled_from(["site-packages", "dist-packages"]).flatmap(respelled)


@given(
    library=libraries,
    python=pythons,
    site=sites,
    rest=st.sampled_from(["x.py", "a/b", "x.pth"]),
)
def test_no_spelling_of_site_packages_is_let_through(library: str, python: str, site: str, rest: str) -> None:
    for way in (f"{library}/{python}/{site}", f"{library}/{site}", site, f"share/{site}"):
        reason = refusal_of(f"{DATA}/data/{way}/{rest}")
        assert reason is not None
        assert "into site-packages by another path" in reason


suffixes = st.sampled_from([".dist-info", ".egg-info", ".egg-link", ".egg"]).flatmap(respelled)
holders = st.sampled_from(
    ["", f"{DATA}/purelib/", f"{DATA}/platlib/", f"{DATA}/scripts/", f"{DATA}/headers/", f"{DATA}/data/"]
)


@given(
    holder=holders,
    suffix=suffixes,
    ending=st.sampled_from(["", ".", " "]),
    rest=st.sampled_from(["", "/RECORD", "/a/b"]),
)
def test_no_spelling_of_another_projects_metadata_is_let_through(
    holder: str, suffix: str, ending: str, rest: str
) -> None:
    reason = refusal_of(f"{holder}requests-99.0{suffix}{ending}{rest}")
    assert reason is not None
    assert "taken for the metadata of another distribution" in reason


REFUSED = {
    f"{DATA}/data/share/x/requests-99.0.dist-info/RECORD": "metadata of another distribution",
    f"{DATA}/purelib/{INFO}/entry_points.txt": "metadata of another distribution",
    f"{DATA}/data/{INFO}/RECORD": "metadata of another distribution",
    "Demo-1.0.dist-info/RECORD": "metadata of another distribution",
    "__editable__.requests-99.0.pth": "metadata of another distribution",
    f"{DATA}/platlib/__EDITABLE___requests_finder.py": "metadata of another distribution",
    f"{DATA}/data/lib/python3.13/lib-dynload/_ssl.so": "place of the Python",
    f"{DATA}/data/LIB/Python3.13/os.py": "place of the Python",
    f"{DATA}/data/lib/python313.zip": "place of the Python",
    f"{DATA}/data/lib/libpython3.13.so.1.0": "place of the Python",
    f"{DATA}/data/include/python3.13/Python.h": "headers of another project",
    f"{DATA}/data/include/site/python3.13/greenlet/greenlet.h": "headers of another project",
    f"{DATA}/data/PIP.conf": "settings of pip",
    f"{DATA}/purelib/requests-99.0.data/scripts/pip": "in another data folder",
    f"{DATA}/purelib/demo.py": "as one file",
    f"{DATA}/platlib/DEMO.py": "as one file",
    f"{DATA}/purelib/demo.py/x": "below 'demo.py', which is a file",
}


@pytest.mark.parametrize(("member", "reason"), REFUSED.items(), ids=REFUSED)
def test_place_of_anothers_is_refused_with_the_reason(member: str, reason: str) -> None:
    said = refusal_of(member)
    assert said is not None
    assert reason in said


def test_two_ways_to_one_program_are_refused() -> None:
    assert "as one file" in (refusal_of(f"{DATA}/scripts/run", f"{DATA}/data/bin/run") or "")
    assert refusal_of(f"{DATA}/scripts/run", f"{DATA}/data/bin/walk") is None


def test_metadata_is_refused_wherever_python_will_look_for_it() -> None:
    member = "demo/more/requests-99.0.dist-info/RECORD"
    assert refusal_of(member) is None
    assert refusal_of(member, roots=("lib/python3/site-packages", "lib/python3/site-packages/demo/more")) is not None


def test_metadata_in_its_own_is_refused_if_python_looks_there() -> None:
    member = f"{INFO}/requests-99.0.dist-info/METADATA"
    assert refusal_of(member) is None
    assert refusal_of(member, roots=("lib/python3/site-packages", f"lib/python3/site-packages/{INFO}")) is not None


def test_file_in_which_python_is_to_look_for_modules_is_refused() -> None:
    for root in ("lib/python3/site-packages/vendor.zip", "lib/python3/site-packages/vendor.zip/more"):
        assert "'vendor.zip'" in (refusal_of("vendor.zip", roots=("lib/python3/site-packages", root)) or "")
        assert refusal_of("vendor.zip", "vendor.zipped/x.py") is None
