"""A commit opened in the sandbox: one commit and its tag, its time everywhere, and nothing outside of the tree."""

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
