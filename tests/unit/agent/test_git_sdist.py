"""A commit opened in the sandbox: one commit and its tag, its time everywhere, and nothing outside of the tree."""

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from wheelyard_agent import git_sdist
from wheelyard_agent.job import JobError

TIME: Final = 1_700_000_000
ENVIRONMENT: Final = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=True
    )
    return done.stdout


def pack_of(folder: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> tuple[Path, str]:
    """Commit files twice, so that there is a history, and pack the last commit without it, as the worker does."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for name, target in (links or {}).items():
        (folder / name).symlink_to(target)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "-m", "second")
    commit = git(folder, "rev-parse", "HEAD").decode().strip()
    objects = f"{commit}\n^{commit}^\n".encode()
    pack = folder.parent / f"{folder.name}.pack"
    pack.write_bytes(git(folder, "pack-objects", "--stdout", "--revs", "--quiet", stdin=objects))
    return pack, commit


def opened(folder: Path, files: Mapping[str, bytes], *, tag: str | None = None, **links: str) -> tuple[Path, str]:
    pack, commit = pack_of(folder / "origin", files, links)
    tree = folder / "tree"
    git_sdist._Repository(tree, tree / ".git", ENVIRONMENT).check_out(pack, commit, tag=tag)
    return tree, commit


def test_repository_has_the_commit_and_its_tag_and_is_clean(tmp_path: Path) -> None:
    tree, commit = opened(tmp_path, {"a.txt": b"a\n", "b/c.txt": b"c\n"}, tag="v1.2")
    assert git(tree, "describe", "--tags", "--long", "--dirty").decode().strip() == f"v1.2-0-g{commit[:7]}"
    assert git(tree, "ls-files").split() == [b"a.txt", b"b/c.txt"]
    assert git(tree, "rev-list", "--all").decode().split() == [commit]


def test_filters_that_a_commit_names_have_no_program(tmp_path: Path) -> None:
    tree, _ = opened(tmp_path, {".gitattributes": b"* filter=evil ident\n", "a.txt": b"$Id$ \n"})
    assert (tree / "a.txt").read_bytes().startswith(b"$Id")


def test_all_files_have_the_time_of_the_commit_and_pointers_are_counted(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    tree, _ = opened(tmp_path, {"a.txt": b"a", "b/large.bin": pointer}, link="/etc/passwd")
    before = Path("/etc/passwd").stat().st_mtime
    assert git_sdist._set_times(tree, TIME) == 1
    assert {os.lstat(tree / name).st_mtime for name in ("a.txt", "b", "b/large.bin", "link")} == {TIME}
    assert Path("/etc/passwd").stat().st_mtime == before


def test_submodule_is_checked_out_apart_from_the_repository_around_it(tmp_path: Path) -> None:
    tree, _ = opened(tmp_path, {"a.txt": b"a"})
    pack, commit = pack_of(tmp_path / "module", {"inner.txt": b"inner"})
    place = git_sdist._inside(tree, "vendor/module")
    git_sdist._Repository(place, tmp_path / "modules" / "0", ENVIRONMENT).check_out(pack, commit)
    assert (place / "inner.txt").read_bytes() == b"inner"
    assert (place / ".git").is_file()
    assert (tmp_path / "modules" / "0" / "HEAD").exists()


@pytest.mark.parametrize("path", ["../x", "link/x", "/etc", ".git/hooks", "a/.git"])
def test_folder_that_leads_out_of_the_tree_is_refused(tmp_path: Path, path: str) -> None:
    tree, _ = opened(tmp_path, {"a.txt": b"a"}, link="/tmp")  # noqa: S108  where an attack would write
    with pytest.raises(JobError):
        git_sdist._inside(tree, path)


def test_damaged_pack_is_an_invalid_source(tmp_path: Path) -> None:
    pack, commit = pack_of(tmp_path / "origin", {"a.txt": b"a"})
    pack.write_bytes(pack.read_bytes()[:-30])
    tree = tmp_path / "tree"
    with pytest.raises(JobError) as caught:
        git_sdist._Repository(tree, tree / ".git", ENVIRONMENT).check_out(pack, commit)
    assert caught.value.code == "invalid-sdist"


def make_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member)
    return path


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def test_sdist_has_the_commit_s_time_and_no_owner_and_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for number, names in enumerate((("demo-1.0/b", "demo-1.0/a"), ("demo-1.0/a", "demo-1.0/b"))):
        members = [member(name, mtime=number, uid=number, uname=f"user{number}", mode=0o600) for name in names]
        sdist = make_tar(tmp_path / f"out{number}" / "demo-1.0.tar.gz", *members)
        made.append(git_sdist._pack_again(sdist, sdist.parent, tmp_path / f"sdist{number}", TIME))
    assert made[0].read_bytes() == made[1].read_bytes()
    with tarfile.open(made[0]) as archive:
        assert {(one.mtime, one.uid, one.uname, one.mode) for one in archive} == {(TIME, 0, "", 0o644)}


@pytest.mark.parametrize("name", ["demo-1.0.zip", "demo-1.0.tar.bz2"])
def test_sdist_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    sdist = make_tar(tmp_path / "out" / name, member("demo-1.0/a"))
    with pytest.raises(JobError):
        git_sdist._pack_again(sdist, sdist.parent, tmp_path / "sdist", TIME)


def test_sdist_that_is_a_link_or_elsewhere_is_refused(tmp_path: Path) -> None:
    sdist = make_tar(tmp_path / "elsewhere" / "demo-1.0.tar.gz", member("demo-1.0/a"))
    out = tmp_path / "out"
    out.mkdir()
    (out / sdist.name).symlink_to(sdist)
    for path in (sdist, out / sdist.name):
        with pytest.raises(JobError):
            git_sdist._pack_again(path, out, tmp_path / "sdist", TIME)


def test_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    sdist = tmp_path / "out" / "demo-1.0.tar.gz"
    sdist.parent.mkdir()
    sdist.write_bytes(b"no archive")
    with pytest.raises(JobError) as caught:
        git_sdist._pack_again(sdist, sdist.parent, tmp_path / "sdist", TIME)
    assert caught.value.code == "invalid-sdist"


def folder_archive(path: Path, *members: tarfile.TarInfo, text: bytes = b"a") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for one in members:
            one.size = len(text) if one.isreg() else 0
            archive.addfile(one, io.BytesIO(text) if one.isreg() else None)
    return path


def unpacked(folder: Path, *members: tarfile.TarInfo, tag: str | None = None, text: bytes = b"a") -> Path:
    archive = folder_archive(folder / "folder.tar.gz", *members, text=text)
    return git_sdist._open_archive(archive, folder / "src", TIME, tag=tag, env=ENVIRONMENT)


def test_folder_becomes_a_clean_repository_with_all_files_and_its_tag(tmp_path: Path) -> None:
    files = [member(f"project/{name}") for name in (".gitignore", "a.log", "b/c.txt", ".gitattributes")]
    tree = unpacked(tmp_path, *files, tag="v1.2", text=b"*.log filter=lfs export-ignore\n")
    assert git(tree, "ls-files").split() == [b".gitattributes", b".gitignore", b"a.log", b"b/c.txt"]
    assert git(tree, "status", "--porcelain") == b""
    described = git(tree, "describe", "--tags", "--long", "--dirty").decode().strip()
    assert described.startswith("v1.2-0-g")
    assert git(tree, "log", "-1", "--format=%ct %at").split() == [str(TIME).encode()] * 2


def test_same_folder_gives_the_same_commit(tmp_path: Path) -> None:
    commits = set()
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        tree = unpacked(place, member("project/a.txt", mtime=number))
        commits.add(git(tree, "rev-parse", "HEAD"))
    assert len(commits) == 1


def test_configuration_that_comes_with_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        unpacked(tmp_path, member("project/.git/config"), text=b"[core]\nfsmonitor = touch /tmp/ran\n")
    assert caught.value.code == "invalid-sdist"


@pytest.mark.parametrize(
    "hostile",
    [
        member("project/../../escaped"),
        member("project/link", type=tarfile.SYMTYPE, linkname="../../escaped"),
        member("project/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("project/hard", type=tarfile.LNKTYPE, linkname="../escaped"),
        member("project/device", type=tarfile.CHRTYPE),
        member("other/a.txt"),
    ],
    ids=lambda one: one.name,
)
def test_folder_that_leads_out_of_itself_is_refused_in_the_sandbox(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    with pytest.raises(JobError) as caught:
        unpacked(tmp_path, member("project/a.txt"), hostile)
    assert caught.value.code == "invalid-sdist"
    assert not (tmp_path / "escaped").exists()
