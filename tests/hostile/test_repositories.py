"""Hostile repositories against the fetching of commits: git runs for real, and a hostile host serves them.

Whatever a repository or its host tries, git runs nothing of it on this host, asks no other host, and ends in time.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.integration.git_host import git_host
from tests.integration.git_repository import Repository

from wheelyard.adapters.git.program import GitProgram
from wheelyard.adapters.git.repositories import GitOptions, GitRepositories
from wheelyard.domain.builds.git_source import GitHosts, GitOrigin, GitRequest
from wheelyard.errors import GitHostRefusedError, GitRefUnknownError, GitSourceRefusedError, GitUnavailableError
from wheelyard.interfaces import GitFiles

LIMIT = 4 << 20
PYPROJECT = b'[project]\nname = "demo"\nversion = "1.0"\n'


class Scene:
    """A hostile repository ``demo.git`` on a listed host, and what fetches it."""

    def __init__(self, folder: Path, address: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.address = address
        self.mark = folder / "mark"
        """What an attack would make."""
        self.repository = Repository(folder / "served", "demo.git")
        self.program = GitProgram(environment=environment)
        self.git = self.allowing(address)

    def allowing(self, entry: str, *, seconds: float = 20.0) -> GitRepositories:
        """Give what fetches from the hosts of one entry."""
        hosts = GitHosts.of([entry])
        options = GitOptions(
            hosts=hosts, root=self.folder / "fetched", limit_bytes=LIMIT, disk_floor_bytes=0, seconds=seconds
        )
        return GitRepositories(options, self.program)

    async def fetch(self, commit: str) -> GitFiles:
        return await self.git.fetch(GitOrigin(url=f"{self.address}/demo.git", ref=commit, commit=commit))

    async def refusal(self, commit: str) -> str:
        with pytest.raises(GitSourceRefusedError) as caught:
            await self.fetch(commit)
        assert not self.mark.exists()
        assert [one.name for one in (self.folder / "fetched").iterdir() if one.name != "sdists"] == []
        return str(caught.value)

    def raw_tree(self, *entries: tuple[str, str, str]) -> str:
        """Make a tree that no tool of git would make, of modes, names and objects."""
        content = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(one) for mode, name, one in entries)
        return self.repository.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=content)

    def blob(self, content: bytes) -> str:
        return self.repository.git("hash-object", "-w", "--stdin", stdin=content)

    def commit_tree(self, tree: str) -> str:
        commit = self.repository.git("commit-tree", tree, "-m", "a commit")
        self.repository.git("update-ref", "refs/heads/main", commit)
        return commit

    def with_module(self, url: str, *, path: str = "vendor", commit: str = "ab" * 20, more: str = "") -> str:
        """Commit a submodule with this address."""
        text = f'[submodule "m"]\n\tpath = {path}\n\turl = {url}\n{more}'
        self.repository.commit({"pyproject.toml": PYPROJECT, ".gitmodules": text.encode()})
        self.repository.add_entry("160000", commit, path)
        return self.repository.commit_index()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a host whose user has settings of git that a repository could use."""
    home = tmp_path / "home"
    home.mkdir()
    mark = tmp_path / "mark"
    (home / ".gitconfig").write_text(
        f'[core]\n\tfsmonitor = "touch {mark}"\n\tsshCommand = "touch {mark}"\n'
        f'[filter "evil"]\n\tsmudge = "touch {mark}; cat"\n\trequired = true\n'
        f'[credential]\n\thelper = "!touch {mark}"\n[uploadpack]\n\tpackObjectsHook = "touch {mark}"\n'
    )
    injected = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.askPass", "GIT_CONFIG_VALUE_0": f"touch {mark}"}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **injected, "GIT_TRACE": str(mark)}


@pytest.fixture
def scene(tmp_path: Path, environment: dict[str, str]) -> Iterator[Scene]:
    (tmp_path / "served").mkdir()
    with git_host(tmp_path / "served") as address:
        yield Scene(tmp_path, address, environment)


async def test_hooks_filters_and_settings_of_the_host_are_not_used(scene: Scene) -> None:
    files = {
        "pyproject.toml": PYPROJECT,
        ".gitattributes": b"* filter=evil diff=evil merge=evil ident\n",
        "hooks/post-checkout": f"#!/bin/sh\ntouch {scene.mark}\n".encode(),
        ".lfsconfig": f"[lfs]\n\turl = file://{scene.mark}\n".encode(),
    }
    fetched = await scene.fetch(scene.repository.commit(files))
    assert fetched.texts == {"pyproject.toml": PYPROJECT.decode()}
    assert not scene.mark.exists()


async def test_folder_of_git_in_a_tree_is_refused(scene: Scene) -> None:
    hook = scene.blob(f"#!/bin/sh\ntouch {scene.mark}\n".encode())
    inner = scene.raw_tree(("100755", "post-checkout", hook))
    hooks = scene.raw_tree(("40000", "hooks", inner))
    for name in (".git", ".GIT", "git~1"):
        commit = scene.commit_tree(scene.raw_tree(("40000", name, hooks)))
        assert "fsck" in await scene.refusal(commit)


@pytest.mark.parametrize("name", ["..", ".", "a/b"])
async def test_names_that_lead_out_of_the_tree_are_refused(scene: Scene, name: str) -> None:
    commit = scene.commit_tree(scene.raw_tree(("100644", name, scene.blob(b"x"))))
    assert "fsck" in await scene.refusal(commit)


async def test_names_with_control_characters_are_refused(scene: Scene) -> None:
    commit = scene.commit_tree(scene.raw_tree(("100644", "a\nb", scene.blob(b"x"))))
    assert "control characters" in await scene.refusal(commit)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% {mark}",
        "file://{root}/other.git",
        "{root}/other.git",
        "https://other.example/a",
        "http://127.0.0.1:1/a",
        "git@other.example:a",
        "ssh://-oProxyCommand=touch/a",
        "../../../../a",
        "--upload-pack=touch",
        "http://user:secret@127.0.0.1/a",
    ],
)
async def test_submodule_elsewhere_is_refused(scene: Scene, url: str) -> None:
    text = url.format(mark=scene.mark, root=scene.folder / "served")
    said = await scene.refusal(scene.with_module(text))
    assert "not allowed" in said or "fsck" in said


@pytest.mark.parametrize(
    "more",
    [
        "[include]\n\tpath = {mark}\n",
        "[core]\n\thooksPath = {mark}\n",
        '[submodule "m"]\n\tupdate = !touch {mark}\n',
        '[submodule "../../x"]\n\tpath = vendor\n\turl = ext::x\n',
    ],
)
async def test_further_settings_in_gitmodules_come_to_nothing(scene: Scene, more: str) -> None:
    module = Repository(scene.folder / "served", "module.git")
    inner = module.commit({"inner.txt": b"inner"})
    commit = scene.with_module("../module.git", commit=inner, more=more.format(mark=scene.mark))
    with suppress(GitSourceRefusedError):  # git's own checks know some of them
        assert [pack.path for pack in (await scene.fetch(commit)).packs] == ["", "vendor"]
    assert not scene.mark.exists()


async def test_gitmodules_that_is_a_link_is_refused(scene: Scene) -> None:
    link = scene.blob(b"/etc/passwd")
    commit = scene.commit_tree(scene.raw_tree(("120000", ".gitmodules", link), ("160000", "vendor", "ab" * 20)))
    await scene.refusal(commit)


async def test_submodule_without_an_address_is_refused(scene: Scene) -> None:
    scene.repository.commit({"pyproject.toml": PYPROJECT})
    scene.repository.add_entry("160000", "ab" * 20, "vendor")
    assert "no address" in await scene.refusal(scene.repository.commit_index())


async def test_submodules_that_nest_for_ever_are_refused(scene: Scene) -> None:
    inner = scene.repository.commit({"pyproject.toml": PYPROJECT})
    for _ in range(6):
        inner = scene.with_module("../demo.git", commit=inner)
    assert "nested deeper" in await scene.refusal(inner)


async def test_more_submodules_than_allowed_are_refused(scene: Scene) -> None:
    inner = scene.repository.commit({"pyproject.toml": PYPROJECT})
    text = "".join(f'[submodule "m{n}"]\n\tpath = m{n}\n\turl = ../demo.git\n' for n in range(33))
    scene.repository.commit({".gitmodules": text.encode()})
    for number in range(33):
        scene.repository.add_entry("160000", inner, f"m{number}")
    assert "more than 32" in await scene.refusal(scene.repository.commit_index())


async def test_tree_that_unpacks_to_millions_of_files_is_refused_in_time(scene: Scene) -> None:
    mode, one = "100644", scene.blob(b"")
    for _ in range(8):
        one = scene.raw_tree(*((mode, f"d{n}", one) for n in range(10)))
        mode = "40000"
    begun = time.monotonic()
    await scene.refusal(scene.commit_tree(one))
    assert time.monotonic() - begun < 15


async def test_small_pack_of_large_files_is_refused(scene: Scene) -> None:
    zeros = {f"zeros-{number}": b"\0" * (1 << 20) for number in range(8)}
    assert "MiB" in await scene.refusal(scene.repository.commit(zeros))


async def test_pack_that_is_larger_than_allowed_is_refused(scene: Scene) -> None:
    noise = os.urandom(LIMIT + (2 << 20))
    assert "MiB" in await scene.refusal(scene.repository.commit({"noise": noise}))


async def test_link_in_place_of_the_file_that_names_the_project_is_not_followed(scene: Scene) -> None:
    secret = scene.folder / "secret.toml"
    secret.write_bytes(b'[project]\nname = "secret"\n')
    (scene.repository.folder / "pyproject.toml").symlink_to(secret)
    scene.repository.git("add", "--all")
    fetched = await scene.fetch(scene.repository.commit_index())
    assert fetched.texts == {"pyproject.toml": str(secret)}


async def test_ref_that_looks_like_an_option_is_none(scene: Scene) -> None:
    scene.repository.commit({"pyproject.toml": PYPROJECT})
    request = GitRequest(url=f"{scene.address}/demo.git", ref=f"--upload-pack=touch {scene.mark}")
    with pytest.raises(GitRefUnknownError):
        await scene.git.resolve(request)
    assert not scene.mark.exists()


async def test_host_that_is_not_listed_is_refused_before_git_starts(scene: Scene) -> None:
    origin = GitOrigin(url="https://other.example/a", ref="main", commit="ab" * 20)
    with pytest.raises(GitHostRefusedError):
        await scene.git.fetch(origin)
    with pytest.raises(GitHostRefusedError):
        await scene.git.resolve(GitRequest(url="file:///srv/a"))


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer to everything; gives the address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


async def test_redirect_to_another_host_is_not_followed(scene: Scene) -> None:
    with answering(404, {}) as (other, reached):
        elsewhere = {"Location": f"{other}/demo.git/info/refs"}
        with answering(302, elsewhere) as (address, asked), pytest.raises(GitUnavailableError):
            await scene.allowing(address).resolve(GitRequest(url=f"{address}/demo.git"))
    assert asked
    assert reached == []


async def test_host_that_wants_a_password_gets_none_and_no_person_is_asked(scene: Scene) -> None:
    with answering(401, {"WWW-Authenticate": 'Basic realm="x"'}) as (address, _):
        begun = time.monotonic()
        with pytest.raises(GitUnavailableError):
            await scene.allowing(address).resolve(GitRequest(url=f"{address}/demo.git"))
    assert time.monotonic() - begun < 10
    assert not scene.mark.exists()


async def test_host_that_never_answers_is_given_up(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(GitUnavailableError):
            await scene.allowing(address, seconds=1.0).resolve(GitRequest(url=f"{address}/demo.git"))
    assert time.monotonic() - begun < 8


async def test_commit_that_was_fetched_is_not_given_once_its_host_is_not_listed_any_more(scene: Scene) -> None:
    commit = scene.repository.commit({"pyproject.toml": PYPROJECT})
    await scene.fetch(commit)
    narrower = scene.allowing(f"{scene.address}/acme")
    with pytest.raises(GitHostRefusedError):
        await narrower.fetch(GitOrigin(url=f"{scene.address}/demo.git", ref=commit, commit=commit))
