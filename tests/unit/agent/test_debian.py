"""Which Debian package owns a library, in the spellings that dpkg's database may know it by."""

from pathlib import Path

import pytest

from wheelyard_agent.debian import Owner, _spellings, find_owners

DPKG = """\
#!/bin/sh
case "$1 $2" in
"--search /usr/lib/x/libdemo.so.1") echo "libdemo1:amd64, libdemo-extra: $2" ;;
"--search /lib/x/libz.so.1") echo "zlib1g:amd64: $2" ;;
"--search"*) exit 1 ;;
esac
case "$3" in
libdemo1:amd64) printf 'libdemo1:amd64\\t1.2-3\\tdemo\\t1.2-2\\n' ;;
zlib1g:amd64) printf 'zlib1g:amd64\\t1:1.2.13\\tzlib\\t1:1.2.13\\n' ;;
esac
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "dpkg-query"
    program.write_text(DPKG)
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_owner_is_described_with_its_source(env: dict[str, str]) -> None:
    path = Path("/usr/lib/x/libdemo.so.1")
    assert find_owners([path], env=env) == {path: Owner("libdemo1", "1.2-3", "demo 1.2-2")}


def test_library_is_found_under_its_older_place(env: dict[str, str]) -> None:
    path = Path("/usr/lib/x/libz.so.1")
    assert find_owners([path], env=env)[path] == Owner("zlib1g", "1:1.2.13", "zlib 1:1.2.13")


def test_library_that_no_package_owns_is_left_out(env: dict[str, str]) -> None:
    assert find_owners([Path("/opt/libmine.so")], env=env) == {}


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/usr/lib/x86_64-linux-gnu/no-such.so", "/lib/x86_64-linux-gnu/no-such.so"),
        ("/usr/lib64/no-such.so", "/lib64/no-such.so"),
        ("/lib/no-such.so", "/usr/lib/no-such.so"),
    ],
)
def test_both_sides_of_a_merged_usr_are_tried_the_given_one_first(path: str, other: str) -> None:
    names = _spellings(Path(path))
    assert names[0] == path
    assert other in names
    assert len(names) == len(set(names))


def test_link_is_also_tried_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "libdemo.so.1.2").touch()
    (tmp_path / "libdemo.so.1").symlink_to("libdemo.so.1.2")
    names = _spellings(tmp_path / "libdemo.so.1")
    assert names == [str(tmp_path / "libdemo.so.1"), str((tmp_path / "libdemo.so.1.2").resolve())]
