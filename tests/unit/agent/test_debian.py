"""Which Debian package owns a library, in the spellings that dpkg's database may know it by."""

from pathlib import Path

import pytest

from wheelyard_agent.debian import Owner, _spellings, find_owners

DPKG = """\
#!/bin/sh
echo "$@" >>"${0%/*}/asked"
question=$1
while [ "$1" != -- ]; do shift; done
shift
status=0
for name; do
  case "$question $name" in
  "--search /usr/lib/x/libdemo.so.1") echo "libdemo1:amd64, libdemo-extra: $name" ;;
  "--search /lib/x/libz.so.1") echo "zlib1g:amd64: $name" ;;
  "--search /usr/lib/x/libGL.so.1")
    printf 'diversion by nvidia from: %s\\ndiversion by nvidia to: %s\\n' "$name" "$name.orig"
    printf 'nvidia, libgl1:amd64: %s\\n' "$name" ;;
  "--search /usr/lib/x/libGL.so.1.orig")
    printf 'diversion by nvidia from: %s\\ndiversion by nvidia to: %s\\n' "${name%.orig}" "$name" ;;
  "--search /usr/lib/x/libmine.so")
    printf 'local diversion from: %s\\nlocal diversion to: %s\\nlibdemo1:amd64: %s\\n' "$name" "$name.dpkg" "$name" ;;
  "--show libdemo1:amd64") printf 'libdemo1:amd64\\t1.2-3\\tdemo\\t1.2-2\\tamd64\\n' ;;
  "--show nvidia") printf 'nvidia\\t5-1\\tnvidia-graphics\\t5-1\\tamd64\\n' ;;
  "--show libgl1:amd64") printf 'libgl1:amd64\\t1.6-1\\tlibglvnd\\t1.6-1\\tamd64\\n' ;;
  "--show zlib1g:amd64") printf 'zlib1g:amd64\\t1:1.2.13\\tzlib\\t1:1.2.13\\tamd64\\n' ;;
  *) echo "dpkg-query: nothing found matching $name" >&2; status=1 ;;
  esac
done
exit $status
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    program = tmp_path / "dpkg-query"
    program.write_text(DPKG)
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_owner_is_described_with_its_source(env: dict[str, str]) -> None:
    path = Path("/usr/lib/x/libdemo.so.1")
    assert find_owners([path], env=env) == {path: Owner("libdemo1", "1.2-3", "demo 1.2-2", "amd64")}


def test_library_is_found_under_its_older_place(env: dict[str, str]) -> None:
    path = Path("/usr/lib/x/libz.so.1")
    assert find_owners([path], env=env)[path] == Owner("zlib1g", "1:1.2.13", "zlib 1:1.2.13", "amd64")


def test_spellings_that_dpkg_does_not_know_are_no_matter_for_the_log(
    env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert find_owners([Path("/usr/lib/x/libz.so.1"), Path("/usr/lib/x/libnone.so")], env=env).keys()
    assert capfd.readouterr().err == ""


def test_all_libraries_are_asked_for_at_once(env: dict[str, str], tmp_path: Path) -> None:
    paths = [Path(f"/usr/lib/x/{name}") for name in ("libdemo.so.1", "libz.so.1", "libGL.so.1", "libGL.so.1.orig", "x")]
    owners = find_owners(paths, env=env)
    assert [owner.package for owner in owners.values()] == ["libdemo1", "zlib1g", "nvidia", "libgl1"]
    questions = [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines() if line[:2] == "--"]
    assert questions == ["--search", "--search", "--show"], "once more for what was moved out of the way"


@pytest.mark.parametrize(
    ("path", "package"),
    [("/usr/lib/x/libGL.so.1", "nvidia"), ("/usr/lib/x/libGL.so.1.orig", "libgl1")],
)
def test_diverted_library_belongs_to_whose_file_it_is(env: dict[str, str], path: str, package: str) -> None:
    assert find_owners([Path(path)], env=env)[Path(path)].package == package


def test_what_lies_in_the_place_of_a_locally_diverted_library_is_nobodys(env: dict[str, str]) -> None:
    assert find_owners([Path("/usr/lib/x/libmine.so")], env=env) == {}


def test_library_behind_an_alternative_is_its_real_files(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "alternatives").mkdir()
    (tmp_path / "alternatives" / "libblas.so.3").symlink_to("/usr/lib/x/libdemo.so.1")
    (tmp_path / "libblas.so.3").symlink_to(tmp_path / "alternatives" / "libblas.so.3")
    assert find_owners([tmp_path / "libblas.so.3"], env=env)[tmp_path / "libblas.so.3"].package == "libdemo1"


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
