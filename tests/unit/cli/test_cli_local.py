"""Folders and sdists that ``wheelyard build`` packs and sends: the same bytes each time, and only sources."""

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from tests.unit.cli_harness import client_of, problem
from tests.unit.cli_service import Service

from wheelyard.cli.builds import WantedWheel, build
from wheelyard.cli.local import packing
from wheelyard.cli.local.packing import PackedSource, pack_source
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.errors import LocalSourceInvalidError

PYPROJECT = '[project]\nname = "demo"\nversion = "1.2"\n'
GIT = {
    **{f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "PATH": os.environ["PATH"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "demo"
    write(made, {"pyproject.toml": PYPROJECT, "demo/__init__.py": "", "demo/core.c": "int x;\n"})
    return made


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env=GIT, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, *, tag: str | None = None) -> str:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


OPENED: list[PackedSource] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().file.close()


def packed(text: Path | str) -> PackedSource:
    OPENED.append(pack_source(str(text)))
    return OPENED[-1]


def content(source: PackedSource) -> bytes:
    source.file.seek(0)
    return source.file.read()


def names(source: PackedSource) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(content(source))) as archive:
        return {name.removeprefix("project/") for name in archive.getnames() if name != "project"}


def test_same_content_gives_the_same_bytes_wherever_and_whenever_it_lies(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "other"
    write(other, {"demo/core.c": "int x;\n", "demo/__init__.py": "", "pyproject.toml": PYPROJECT})
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "pyproject.toml").chmod(0o600)
    first, again = content(packed(folder)), content(packed(other))
    assert first == again
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = archive.getmembers()
    assert [one.name for one in members] == sorted(one.name for one in members)
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in members} == {(315532800, 0, 0, "", "")}
    (other / "demo" / "core.c").write_text("int y;\n")
    assert content(packed(other)) != first
    (folder / "demo" / "core.c").chmod(0o755)
    assert content(packed(folder)) != first


def test_files_of_git_are_tracked_and_new_ones_but_not_ignored_or_deleted_ones(folder: Path) -> None:
    write(folder, {".gitignore": "*.log\nbuild/\n", "gone.py": "", "build/x.o": "", "a.log": "", "ä.py": ""})
    commit(folder)
    (folder / "gone.py").unlink()
    write(folder, {"new.py": "", "b.log": "", "build/kept.py": ""})
    git(folder, "add", "--force", "build/kept.py")
    source = packed(folder)
    assert source.commit is None
    assert names(source) == {
        *(".gitignore", "pyproject.toml", "demo/__init__.py", "demo/core.c"),
        *("new.py", "build/kept.py", "ä.py"),
    }


def test_clean_folder_names_its_commit_and_nearest_tag(folder: Path) -> None:
    first = commit(folder, tag="v1.0")
    source = packed(folder)
    assert (source.commit, source.tag) == (first, "v1.0")
    write(folder, {"new.py": ""})
    source = packed(folder)
    assert (source.commit, source.tag) == (None, "v1.0")


def test_folder_inside_of_a_repository_is_packed_alone(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "secret"})
    first = commit(tmp_path)
    source = packed(folder)
    assert names(source) == {"pyproject.toml", "demo/__init__.py", "demo/core.c"}
    assert source.commit == first


def test_repositories_inside_of_the_folder_are_packed_without_what_they_ignore(folder: Path) -> None:
    inner = folder / "vendor" / "inner"
    write(inner, {"a.c": "", ".gitignore": "*.o\n", "a.o": ""})
    commit(inner)
    commit(folder)
    assert names(packed(folder)) >= {"vendor/inner/a.c", "vendor/inner/.gitignore"}
    assert not any(".git/" in name or name.endswith(".o") for name in names(packed(folder)))


def test_submodule_that_is_not_checked_out_is_named(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    write(inner, {"a.c": ""})
    commit(inner)
    commit(folder)
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "vendor/inner")
    git(folder, "commit", "--quiet", "--message=second")
    assert "vendor/inner/a.c" in names(packed(folder))
    git(folder, "submodule", "--quiet", "deinit", "--force", "vendor/inner")
    source = packed(folder)
    assert source.warning == "submodules that are not checked out are not sent: vendor/inner"
    assert "demo/core.c" in names(source)


def test_folder_that_git_ignores_is_packed_as_one_without_git(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "demo/\n"})
    commit(tmp_path)
    assert names(packed(folder)) == {"pyproject.toml", "demo/__init__.py", "demo/core.c"}


def test_folder_without_git_leaves_out_what_is_no_source(folder: Path) -> None:
    write(
        folder,
        {
            ".venv/x.py": "",
            "environment/pyvenv.cfg": "",
            "environment/lib.py": "",
            "target/CACHEDIR.TAG": "",
            "target/out.o": "",
            "node_modules/a/b.js": "",
            "demo/__pycache__/a.pyc": "",
            "demo/core.cpython-313-x86_64-linux-gnu.so": "",
            "demo.egg-info/PKG-INFO": "",
            "build/lib/x.py": "",
            "dist/demo-1.0.tar.gz": "",
            ".env": "PASSWORD=1",
            "demo/build/kept.py": "",
        },
    )
    assert names(packed(folder)) == {"pyproject.toml", "demo/__init__.py", "demo/core.c", "demo/build/kept.py"}


def test_git_that_cannot_answer_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {".git/HEAD": "damaged"})
    source = packed(folder)
    assert source.warning is not None
    assert ".gitignore" in source.warning
    monkeypatch.setenv("PATH", str(folder))
    assert "git is not installed" in (packed(folder).warning or "")
    assert ".git/HEAD" not in names(packed(folder))


def test_links_inside_stay_links(folder: Path) -> None:
    (folder / "demo" / "again.py").symlink_to("__init__.py")
    (folder / "linked").symlink_to("demo")
    (folder / "demo" / "up").symlink_to("../pyproject.toml")
    with tarfile.open(fileobj=io.BytesIO(content(packed(folder)))) as archive:
        links = {one.name: one.linkname for one in archive if one.issym()}
    assert links == {
        "project/demo/again.py": "__init__.py",
        "project/linked": "demo",
        "project/demo/up": "../pyproject.toml",
    }


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "demo/../../secret", "../demo/pyproject.toml", "out"])
def test_link_out_of_the_folder_is_refused_by_name(folder: Path, target: str) -> None:
    if target == "out":
        (folder / "out").symlink_to("../secret")
    (folder / "leak").symlink_to(target)
    with pytest.raises(LocalSourceInvalidError) as caught:
        packed(folder)
    assert "leads out of the folder" in caught.value.summary
    assert "leak" in caught.value.summary or "out" in caught.value.summary


def test_too_large_folder_is_refused_with_its_largest_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"data/large/a.bin": "x" * 9000, "data/small.bin": "x" * 100})
    monkeypatch.setattr(packing, "_MOST_BYTES", 8000)
    with pytest.raises(LocalSourceInvalidError) as caught:
        packed(folder)
    assert "The largest are data/large/ (8.8 KiB), data/small.bin" in caught.value.summary
    monkeypatch.setattr(packing, "_MOST_BYTES", 1 << 30)
    monkeypatch.setattr(packing, "_MOST_FILES", 4)
    with pytest.raises(LocalSourceInvalidError):
        packed(folder)


@pytest.mark.parametrize("name", ["a\nb.py", "a\\b.py", b"\xff.py"])
def test_name_that_no_other_system_reads_is_refused(folder: Path, name: str | bytes) -> None:
    (folder / os.fsdecode(name)).write_text("")
    with pytest.raises(LocalSourceInvalidError):
        packed(folder)


def test_pipes_are_no_sources(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "pipe" not in names(packed(folder))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nothing", "no such file"),
        ("empty", "none of the files of a Python project"),
        ("demo-1.0-py3-none-any.whl", "wheelyard push"),
        ("demo.tar.gz", "NAME-VERSION"),
        ("demo-1.0.tar.bz2", "NAME-VERSION"),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("demo-1.0-py3-none-any.whl", "demo.tar.gz", "demo-1.0.tar.bz2"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(LocalSourceInvalidError) as caught:
        packed(tmp_path / path)
    assert says in f"{caught.value.summary} {caught.value.hint}"


def test_sdist_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "demo-1.0.tar.gz").write_bytes(b"anything")
    source = packed(tmp_path / "demo-1.0.tar.gz")
    assert (source.kind, source.name, content(source)) == (LocalKind.SDIST, "demo-1.0.tar.gz", b"anything")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "service")
    yield made
    made.close()


def wanted(text: str) -> WantedWheel:
    return WantedWheel(requirement=text, python=None, platform=None)


def test_folder_is_built_as_a_development_version_and_again_joins(
    service: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = commit(folder, tag="v1.2")
    for _ in range(2):
        assert build(service.client, wanted(str(folder)), wait=False, follow=False, as_json=False) is ExitCode.OK
    said = capsys.readouterr().err
    assert f"packed 3 files of {folder}: " in said
    assert "demo 1.2.dev0+l" in said
    assert "joined " in said
    build(service.client, wanted(str(folder)), wait=False, follow=False, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["local_source"]["commit"] == first
    assert shown["local_source"]["sha256"][:12] in shown["version"]


def test_name_before_the_path_names_a_project_that_its_files_do_not(
    service: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    with pytest.raises(ProblemError) as caught:
        build(service.client, wanted(str(folder)), wait=False, follow=False, as_json=False)
    assert caught.value.problem.code == "local-source-invalid"
    assert "NAME @" in caught.value.problem.hint
    assert build(service.client, wanted(f"Demo @ {folder}"), wait=False, follow=False, as_json=False) is ExitCode.OK
    assert "demo 0.dev0+l" in capsys.readouterr().err


def test_too_large_for_the_service_names_the_largest_parts(folder: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert gzip.decompress(request.read())
        return problem(413, "upload-too-large", "The uploaded file has more than 1 MiB.")

    with client_of(answer) as client, pytest.raises(ProblemError) as caught:
        build(client, wanted(str(folder)), wait=False, follow=False, as_json=True)
    assert "The largest are pyproject.toml (" in caught.value.problem.detail
