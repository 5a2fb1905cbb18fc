"""Recipes in a git repository: fetched, brought up to date, kept when it is away, and never trusted."""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.integration.git_host import git_host

from wheelyard.adapters.recipes.checkout import RecipeCheckout
from wheelyard.adapters.recipes.folders import RecipeFolders, fetch_first
from wheelyard.domain.recipes.source import GitSource
from wheelyard.errors import RecipeInvalidError, RecipesUnavailableError

DEMO = canonicalize_name("demo")
RECIPE = 'schema = 1\nname = "demo"\n[[rule]]\napt = ["{0}"]\n'


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        command = ["git", *identity, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            (self.folder / f"{name}.toml").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def checkout_of(repository: Repository, root: Path, ref: str = "") -> RecipeCheckout:
    return RecipeCheckout(GitSource.parse(f"git+file://{repository.folder}{ref}"), root=root)


def apt_of(book: RecipeFolders) -> tuple[str, ...]:
    recipe = book.find(DEMO)
    assert recipe is not None
    return recipe.rules[0].apt


async def test_new_commit_counts_without_a_restart(repository: Repository, tmp_path: Path) -> None:
    checkout = checkout_of(repository, tmp_path / "state", "@main")
    book = RecipeFolders([checkout])
    for package in ("liba-dev", "libb-dev", "libc-dev", "libd-dev"):
        commit = repository.commit(demo=RECIPE.format(package))
        await checkout.update()
        assert apt_of(book) == (package,)
        (status,) = book.list_sources()
        assert (status.commit, status.problem) == (commit, "")
    assert len(list(checkout.folder.parent.iterdir())) == 2


async def test_without_any_commit_nothing_is_built_rather_than_built_without_the_recipes(tmp_path: Path) -> None:
    source = GitSource.parse(f"git+file://{tmp_path}/nowhere")
    checkout = RecipeCheckout(source, root=tmp_path / "state")
    book = RecipeFolders([tmp_path, checkout])
    with pytest.raises(RecipesUnavailableError, match="it was not fetched yet"):
        book.find(DEMO)
    await checkout.update()
    with pytest.raises(RecipesUnavailableError, match="nowhere"):
        book.find(DEMO)
    assert book.list_recipes() == ()


async def test_start_fetches_what_was_never_fetched(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(demo=RECIPE.format("liba-dev"))
    book = RecipeFolders([tmp_path, checkout_of(repository, tmp_path / "state")])
    await fetch_first(book)
    assert apt_of(book) == ("liba-dev",)
    # What is there is used at once, as the repository's host may be away or slow.
    repository.commit(demo=RECIPE.format("libb-dev"))
    await fetch_first(book)
    assert [status.commit for status in book.list_sources()] == [None, first]


async def test_start_does_not_wait_for_ever_for_a_repository(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(demo=RECIPE.format("liba-dev"))
    checkout = checkout_of(repository, tmp_path / "state")
    monkeypatch.setattr(checkout, "update", asyncio.Event().wait)
    await fetch_first(RecipeFolders([checkout]), seconds=0.01)
    assert checkout.status().commit is None


async def test_repository_that_is_away_leaves_its_last_commit_in_use(repository: Repository, tmp_path: Path) -> None:
    repository.commit(demo=RECIPE.format("liba-dev"))
    await checkout_of(repository, tmp_path / "state").update()
    repository.folder.rename(tmp_path / "moved")
    again = checkout_of(repository, tmp_path / "state")
    await again.update()
    assert apt_of(RecipeFolders([again])) == ("liba-dev",)
    assert "repository" in again.status().problem


async def test_tag_and_commit_can_be_named(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(demo=RECIPE.format("liba-dev"))
    repository.git("tag", "v1")
    repository.commit(demo=RECIPE.format("libb-dev"))
    for ref in ("v1", first):
        checkout = checkout_of(repository, tmp_path / "state", f"@{ref}")
        await checkout.update()
        assert apt_of(RecipeFolders([checkout])) == ("liba-dev",)


async def test_symbolic_link_of_a_repository_is_a_text_and_never_followed(
    repository: Repository, tmp_path: Path
) -> None:
    secret = tmp_path / "demo.toml"
    secret.write_text(RECIPE.format("libsecret-dev"))
    (repository.folder / "demo.toml").symlink_to(secret)
    repository.commit()
    checkout = checkout_of(repository, tmp_path / "state")
    await checkout.update()
    with pytest.raises(RecipeInvalidError, match="it is not TOML"):
        RecipeFolders([checkout]).find(DEMO)


async def test_hook_of_the_hosts_git_configuration_does_not_run(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks, ran = tmp_path / "hooks", tmp_path / "ran"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[core]\nhooksPath = {hooks}\n")
    repository.commit(demo=RECIPE.format("liba-dev"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    checkout = checkout_of(repository, tmp_path / "state")
    await checkout.update()
    assert apt_of(RecipeFolders([checkout])) == ("liba-dev",)
    assert not ran.exists()


SHIM = """#!/bin/sh
printf '%s\\n' "$@" >> {log}
exec {git} "$@"
"""


async def test_password_reaches_the_host_but_no_command_line(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(demo=RECIPE.format("liba-dev"))
    log, programs = tmp_path / "argv", tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text(SHIM.format(git=shutil.which("git"), log=log))
    (programs / "git").chmod(0o755)
    with git_host(tmp_path, user="me", password="s3/cret") as url:
        monkeypatch.setenv("PATH", str(programs), prepend=":")
        address = f"{url}/repository/.git".replace("://", "://me:s3%2Fcret@")
        checkout = RecipeCheckout(GitSource.parse(f"git+{address}"), root=tmp_path / "state")
        await checkout.update()
        assert checkout.status().problem == ""
        assert apt_of(RecipeFolders([checkout])) == ("liba-dev",)
        wrong = RecipeCheckout(GitSource.parse(f"git+{address}".replace("s3", "wr0ng")), root=tmp_path / "other")
        await wrong.update()
        assert wrong.status().problem
    assert f"{url}/repository/.git" in log.read_text().splitlines()
    for seen in (log.read_text(), str(checkout.status()), str(wrong.status())):
        assert "cret" not in seen


async def test_password_of_a_user_comes_from_the_hosts_own_helper(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(demo=RECIPE.format("liba-dev"))
    helper = "!f() { grep -q username=me && test $1 = get && echo password=kept; }; f"
    (tmp_path / "gitconfig").write_text(f'[credential]\nhelper = "{helper}"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    with git_host(tmp_path, user="me", password="kept") as url:
        address = f"{url}/repository/.git".replace("://", "://me@")
        checkout = RecipeCheckout(GitSource.parse(f"git+{address}"), root=tmp_path / "state")
        await checkout.update()
    assert (checkout.status().problem, apt_of(RecipeFolders([checkout]))) == ("", ("liba-dev",))


async def test_two_folders_of_one_repository_are_fetched_at_once(repository: Repository, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (repository.folder / name).mkdir()
        (repository.folder / name / f"{name}.toml").write_text(RECIPE.format("libx-dev").replace("demo", name))
    for number in range(3):
        commit = repository.commit(demo=RECIPE.format(f"lib{number}-dev"))
        places = [checkout_of(repository, tmp_path / "state", f"#subdirectory={name}") for name in ("a", "b") * 4]
        book = RecipeFolders(places)
        await book.update()
        assert {(status.commit, status.problem) for status in book.list_sources()} == {(commit, "")}
        assert [book.find(canonicalize_name(name)) is not None for name in ("a", "b")] == [True, True]


async def test_leftovers_of_broken_checkouts_are_no_commits_and_go(repository: Repository, tmp_path: Path) -> None:
    checkout = checkout_of(repository, tmp_path / "state", "@main")
    repository.commit(demo=RECIPE.format("liba-dev"))
    await checkout.update()
    commits = checkout.folder.parent
    for number, age in enumerate((7200, 7200, 0)):
        leftover = commits / f".partial-{number}"
        leftover.mkdir()
        os.utime(leftover, (time.time() - age, time.time() - age))
    for commit in commits.glob("[0-9a-f]*"):
        os.utime(commit, (1, 1))
    first = checkout.folder.name
    second = repository.commit(demo=RECIPE.format("libb-dev"))
    os.utime(commits)
    await checkout.update()
    # Newest by their time are leftovers, and the commit in use is the oldest.
    assert {folder.name for folder in commits.iterdir()} == {first, second, ".partial-2"}
    assert apt_of(RecipeFolders([checkout])) == ("libb-dev",)


async def test_checkout_that_fails_leaves_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = checkout_of(repository, tmp_path / "state")
    repository.commit(demo=RECIPE.format("liba-dev"))
    await checkout.update()
    repository.commit(demo=RECIPE.format("libb-dev"))
    git = checkout._git

    async def broken(*arguments: str) -> str:
        if "checkout" in arguments:
            raise OSError("it broke")
        return await git(*arguments)

    monkeypatch.setattr(checkout, "_git", broken)
    await checkout.update()
    assert checkout.status().problem == "it broke"
    assert [folder.name for folder in checkout.folder.parent.iterdir()] == [checkout.folder.name]
    assert apt_of(RecipeFolders([checkout])) == ("liba-dev",)


async def test_commit_in_use_whose_files_are_gone_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    checkout = checkout_of(repository, tmp_path / "state")
    repository.commit(demo=RECIPE.format("liba-dev"))
    await checkout.update()
    shutil.rmtree(checkout.folder)
    book = RecipeFolders([checkout])
    with pytest.raises(RecipesUnavailableError):
        book.find(DEMO)
    assert book.lacks_any()
    await book.update()
    assert apt_of(book) == ("liba-dev",)


async def test_folder_that_the_repository_has_not_is_an_error_and_not_a_place_without_recipes(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit(demo=RECIPE.format("liba-dev"))
    checkout = checkout_of(repository, tmp_path / "state", "#subdirectory=nowhere")
    await checkout.update()
    with pytest.raises(RecipesUnavailableError, match="has no folder nowhere"):
        RecipeFolders([checkout]).find(DEMO)
