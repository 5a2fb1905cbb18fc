"""Where recipes are kept: addresses of git repositories as people write them."""

from pathlib import Path

import pytest

from wheelyard.domain.recipes.source import GitSource, parse_recipe_source
from wheelyard.errors import SettingsInvalidError
from wheelyard.settings import load_settings


@pytest.mark.parametrize(
    ("text", "url", "ref", "subdirectory"),
    [
        ("git+https://git.example/org/recipes.git", "https://git.example/org/recipes.git", "HEAD", "."),
        ("git+https://git.example/recipes@v1.2", "https://git.example/recipes", "v1.2", "."),
        (
            "git+https://git.example/recipes@team/main#subdirectory=a/b",
            "https://git.example/recipes",
            "team/main",
            "a/b",
        ),
        ("git+ssh://git@git.example/recipes@main", "ssh://git@git.example/recipes", "main", "."),
        ("git+file:///srv/recipes", "file:///srv/recipes", "HEAD", "."),
    ],
)
def test_address_is_read_as_pip_writes_it(text: str, url: str, ref: str, subdirectory: str) -> None:
    assert parse_recipe_source(text) == GitSource(url=url, ref=ref, subdirectory=subdirectory)


def test_anything_else_is_a_folder() -> None:
    assert parse_recipe_source("/etc/recipes") == Path("/etc/recipes")


@pytest.mark.parametrize(
    "text",
    [
        "git+ext::sh -c touch% /x",
        "git+ext://a/b",
        "git+https://git.example",
        "git+https://git.example/recipes@--upload-pack=x",
        "git+https://git.example/recipes@a..b",
        "git+https://git.example/recipes#subdirectory=../x",
        "git+https://git.example/recipes#subdirectory=/etc",
    ],
)
def test_address_that_could_mean_something_else_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="git"):
        parse_recipe_source(text)
    monkeypatch.setenv("WHEELYARD_RECIPES", f'["{text}"]')
    with pytest.raises(SettingsInvalidError, match=r"WHEELYARD_RECIPES\.0"):
        load_settings()


def test_password_is_never_shown() -> None:
    source = GitSource.parse("git+https://me:s3%2Fcret@git.example/recipes")
    assert (source.user, source.password, source.url) == ("me", "s3/cret", "https://git.example/recipes")
    assert str(source) == "https://git.example/recipes at HEAD"
    assert "cret" not in repr(source)


@pytest.mark.parametrize(
    "text",
    [
        "git+ext://me:s3cret@git.example/recipes",
        "git+https://me:s3cret@git.example",
        "git+https://me:s3cret@git.example/recipes@a..b",
        "git+https://me:s3cret@git.example/recipes#subdirectory=../x",
        "git+https://me:s3cret/more@git.example/recipes",
        "git+ssh://me:s3cret@git.example/recipes",
    ],
)
def test_password_is_in_no_refusal(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="git") as caught:
        parse_recipe_source(text)
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv("WHEELYARD_RECIPES", f'["{text}"]')
    with pytest.raises(SettingsInvalidError) as refused:
        load_settings()
    assert "s3cret" not in str(refused.value)
