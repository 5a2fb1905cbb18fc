"""The ledger of grafted libraries: nothing that repair added is missing from it."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from wheelyard_agent.graft_ledger import Graft, find_grafts, write_ledger
from wheelyard_agent.linkage import Linkage
from wheelyard_agent.policy_reason import NativeFiles

EXT = "demo/_c.abi3.so"
DPKG = """\
#!/bin/sh
case "$1" in
--search) shift 2; for name; do echo "libdemo:amd64: $name"; done ;;
*) printf 'libdemo:amd64\\t1-2\\tdemo\\t1-2\\tamd64\\n' ;;
esac
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "libdemo-2.so.0.1"
    path.write_bytes(b"a library")
    return path


def member_of(library: Path) -> str:
    base, _, rest = library.name.partition(".")
    return f"demo.libs/{base}-{hashlib.sha256(library.read_bytes()).hexdigest()[:8]}.{rest}"


def test_grafted_library_is_known_by_its_name_and_digest(library: Path) -> None:
    member = member_of(library)
    external = {"libdemo-2.so.0": str(library), "libgone.so": None}
    assert find_grafts([EXT], [EXT, member], external) == {member: Graft("libdemo-2.so.0", library)}


def test_library_that_bears_its_digest_already_keeps_its_name(tmp_path: Path) -> None:
    library = tmp_path / f"libdemo-{hashlib.sha256(b'x').hexdigest()[:8]}.so"
    library.write_bytes(b"x")
    member = f"demo.libs/{library.name}"
    assert find_grafts([], [member], {"libdemo.so": str(library)})[member].origin == library


def test_what_the_project_brought_itself_was_not_grafted(library: Path) -> None:
    own = "demo.libs/libown.so"
    assert find_grafts([EXT, own], [EXT, own, "demo.scripts/tool"], {"libdemo-2.so.0": str(library)}) == {}


def test_grafted_library_that_nobody_knows_is_listed_all_the_same(tmp_path: Path) -> None:
    member = "demo.libs/libodd-1a2b3c4d.so"
    grafts = find_grafts([], [member], {})
    assert grafts == {member: Graft("libodd-1a2b3c4d.so", None)}
    (entry,) = write_ledger(wheel_with(tmp_path, member), grafts, files(member), promised=(), env=no_packages(tmp_path))
    assert (entry["package"], entry["origin"], entry["beyond_policy"]) == (None, None, False)
    assert (entry["sha256"], entry["origin_sha256"]) == (hashlib.sha256(b"in the wheel").hexdigest(), None)


def test_library_is_told_with_its_package_and_what_asked_for_it(library: Path, tmp_path: Path) -> None:
    member = member_of(library)
    program = tmp_path / "dpkg-query"
    program.write_text(DPKG)
    program.chmod(0o755)
    grafts = {member: Graft("libdemo-2.so.0", library)}
    env = {"PATH": f"{tmp_path}:/bin"}
    entries = write_ledger(wheel_with(tmp_path, member), grafts, files(member), promised=["libdemo-2.so.0"], env=env)
    assert entries == [
        {
            "soname": "libdemo-2.so.0",
            "path": member,
            "sha256": hashlib.sha256(b"in the wheel").hexdigest(),
            "origin": str(library),
            "origin_sha256": hashlib.sha256(b"a library").hexdigest(),
            "package": "libdemo",
            "package_version": "1-2",
            "source_package": "demo 1-2",
            "needed_by": [EXT],
            "chain": [EXT, "libdemo-2.so.0"],
            "beyond_policy": True,
        }
    ]


def wheel_with(folder: Path, member: str) -> Path:
    wheel = folder / "demo.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr(member, b"in the wheel")
    return wheel


def files(member: str) -> NativeFiles:
    facts = {EXT: Linkage(None, (Path(member).name,), {}), member: Linkage(Path(member).name, (), {})}
    return NativeFiles(facts, {member: "libdemo-2.so.0"})


def no_packages(folder: Path) -> dict[str, str]:
    (folder / "empty").mkdir()
    return {"PATH": str(folder / "empty")}
