"""Sources in git: what callers may write, which hosts are asked, and that a wheel of a commit shadows no release."""

from time import process_time

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheelyard.domain.builds.git_identity import read_identity
from wheelyard.domain.builds.git_source import (
    GitHosts,
    GitOrigin,
    GitRequest,
    is_git_requirement,
    relative_url,
    tagged_version,
    wheel_version,
)
from wheelyard.errors import GitHostRefusedError, GitSourceInvalidError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://git.example/acme/billing"


def origin(**more: object) -> GitOrigin:
    return GitOrigin(url=URL, ref="v1.2", commit=COMMIT, **more)  # type: ignore[arg-type]  # the class checks them


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"git+{URL}", GitRequest(url=URL)),
        (f"git+{URL}@v1.2", GitRequest(url=URL, ref="v1.2")),
        (
            f"git+{URL}.git@feature/x#subdirectory=a/b",
            GitRequest(url=f"{URL}.git", ref="feature/x", subdirectory="a/b"),
        ),
        (f"Acme_Billing @ git+{URL}@{COMMIT}", GitRequest(url=URL, ref=COMMIT, project="acme-billing")),  # type: ignore[arg-type]
        (f"git+{URL}#egg=billing", GitRequest(url=URL, project="billing")),  # type: ignore[arg-type]
        ("git+https://GIT.example:443/a/", GitRequest(url="https://git.example/a")),
        ("git+http://127.0.0.1:8080/a", GitRequest(url="http://127.0.0.1:8080/a")),
    ],
)
def test_form_of_pip_is_understood(text: str, expected: GitRequest) -> None:
    assert is_git_requirement(text)
    assert GitRequest.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "git+file:///srv/repository",
        "git+ssh://git@git.example/acme/billing",
        "git+ext::sh -c touch% /tmp/x",
        "git+https://user:secret@git.example/acme/billing",
        "git+https://token@git.example/acme/billing",
        "git+https://git.example",
        "git+https://git.example/",
        "git+https://git.example/../x",
        "git+https://git.example/a/..",
        "git+https://git.example/-x",
        "git+https://-git.example/a",
        "git+https://git.example:port/a",
        "git+https://git.example/a?x=1",
        "git+https://git.example/a%2e%2e/b",
        "git+https://git.ex\u0430mple/a",
        "git+https://git.example/a b",
        f"git+{URL}@",
        f"git+{URL}@--upload-pack=touch",
        f"git+{URL}@-u",
        f"git+{URL}@v1..v2",
        f"git+{URL}@v1^{{commit}}",
        f"git+{URL}@v1:x",
        f"git+{URL}@refs/heads/x.lock",
        f"git+{URL}@*",
        f"git+{URL}@{'a' * 300}",
        f"git+{URL}#subdirectory=../x",
        f"git+{URL}#subdirectory=/etc",
        f"git+{URL}#subdirectory=a/../../b",
        f"git+{URL}#subdirectory=-x",
        f"git+{URL}#subdirectory=.git/hooks",
        f"git+{URL}#egg=a/b",
        f"-x @ git+{URL}",
        f"git+https://git.example/{'a' * 600}",
    ],
)
def test_what_could_reach_more_than_a_commit_of_a_host_is_refused(text: str) -> None:
    with pytest.raises(GitSourceInvalidError):
        GitRequest.parse(text)


def test_error_repeats_no_password() -> None:
    with pytest.raises(GitSourceInvalidError) as caught:
        GitRequest.parse("git+https://me:hunter2@git.example/a")
    assert "hunter2" not in str(caught.value)


def test_release_is_no_source_in_git() -> None:
    assert not is_git_requirement("lxml>=6")


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("git.example", "https://git.example/acme/billing", True),
        ("git.example", "https://GIT.EXAMPLE:443/acme/billing", True),
        ("git.example", "http://git.example/acme/billing", False),
        ("git.example", "https://git.example:8443/acme/billing", False),
        ("git.example", "https://git.example.evil/acme/billing", False),
        ("git.example", "https://evil.git.example/acme/billing", False),
        ("git.example/acme", "https://git.example/acme/billing", True),
        ("git.example/acme", "https://git.example/acme-evil/billing", False),
        ("git.example/acme", "https://git.example/acme", False),
        ("http://127.0.0.1:80", "http://127.0.0.1/x", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8081/x", False),
    ],
)
def test_only_listed_hosts_and_folders_are_allowed(entry: str, url: str, *, allowed: bool) -> None:
    assert GitHosts.of([entry]).allow(url) is allowed


def test_no_host_is_allowed_by_default_and_the_error_says_how_to_allow_one() -> None:
    with pytest.raises(GitHostRefusedError) as caught:
        GitHosts().check("https://git.example:8443/acme/billing")
    assert 'WHEELYARD_GIT_HOSTS=["git.example:8443"]' in caught.value.hint


@pytest.mark.parametrize("entry", ["", "*", "ssh://git.example", "https://a@b.example", "git.example/..", "a b"])
def test_entry_that_names_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="HOST"):
        GitHosts.of([entry])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("6.1", "6.1.dev0+g0123456789ab"),
        ("6.1rc1", "6.1rc1.dev0+g0123456789ab"),
        ("6.1.post1", "6.1.post1.dev0+g0123456789ab"),
        ("6.1.dev3+g0123456", "6.1.dev3+g0123456"),
        ("6.1+cu121", "6.1.dev0+cu121.g0123456789ab"),
        ("1!2.0", "1!2.0.dev0+g0123456789ab"),
    ],
)
def test_wheel_of_a_commit_is_a_development_version_with_the_commit(made: str, expected: str) -> None:
    assert str(wheel_version(Version(made), origin(tag="v6.1"))) == expected


@pytest.mark.parametrize("made", ["6.1", "6.1rc1", "6.1.post1", "6.1+cu121"])
@pytest.mark.parametrize("specifier", ["", ">=6", "=={}", "~=6.1", "==6.*"])
def test_installers_never_choose_it_over_a_release(made: str, specifier: str) -> None:
    ours = wheel_version(Version(made), origin())
    chosen = list(SpecifierSet(specifier.format(Version(made).public)).filter([ours, Version(made), Version("6.1")]))
    assert ours not in chosen
    assert ours < Version(made)


def test_tag_of_an_own_project_s_version_is_its_release() -> None:
    released = origin(tag="v6.1", may_release=True)
    assert wheel_version(Version("6.1"), released) == Version("6.1")
    assert wheel_version(Version("6.2"), released) == Version("6.2.dev0+g0123456789ab")
    assert wheel_version(Version("6.1"), origin(may_release=True)) == Version("6.1.dev0+g0123456789ab")


@pytest.mark.parametrize(
    ("tag", "version"),
    [("v1.2", "1.2"), ("1.2", "1.2"), ("demo-1.2", "1.2"), ("release/v1.2rc1", "1.2rc1"), ("latest", None)],
)
def test_version_of_a_tag_is_found(tag: str, version: str | None) -> None:
    assert tagged_version(tag) == (None if version is None else Version(version))


@pytest.mark.parametrize("part", ["a_", "a.b_", "a-b_c/", "a__"])
def test_tag_of_any_length_is_read_at_once(part: str) -> None:
    begun = process_time()
    assert tagged_version(part * 100) is None
    assert process_time() - begun < 1


def test_moved_tag_is_told_with_both_commits() -> None:
    (warning,) = origin(tag="v1.2", moved_from="fedcba98" * 5).warnings
    assert (
        warning == f"The tag v1.2 of {URL} was commit fedcba98fedc when it was built before, and is 0123456789ab now."
    )
    assert origin(tag="v1.2").warnings == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("../common.git", "https://git.example/acme/common.git"),
        ("../../other/common", "https://git.example/other/common"),
        ("./inner", "https://git.example/acme/billing/inner"),
        ("https://other.example/a", "https://other.example/a"),
    ],
)
def test_address_of_a_submodule_is_resolved_on_the_same_host(url: str, expected: str) -> None:
    assert relative_url(URL, url) == expected


@pytest.mark.parametrize(
    "url",
    ["../../../x", "../../../../x", "/srv/x", "file:///srv/x", "ext::sh -c x", "-u", "../--upload-pack=x", "git@x:y"],
)
def test_address_of_a_submodule_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(GitSourceInvalidError):
        relative_url(URL, url)


@pytest.mark.parametrize(
    ("texts", "project", "version"),
    [
        ({"pyproject.toml": '[project]\nname = "Acme_Billing"\nversion = "1.2"\n'}, "acme-billing", "1.2"),
        ({"pyproject.toml": '[project]\nname = "acme"\ndynamic = ["version"]\n'}, "acme", None),
        ({"pyproject.toml": '[tool.poetry]\nname = "acme"\nversion = "2"\n'}, "acme", "2"),
        ({"pyproject.toml": '[tool.flit.metadata]\nmodule = "a"\ndist-name = "acme"\n'}, "acme", None),
        ({"setup.cfg": "[options]\nname = no\n[metadata]\nname = acme\nversion = attr: acme.version\n"}, "acme", None),
        ({"PKG-INFO": "Metadata-Version: 2.1\nName: acme\nVersion: 3\n\nName: other\n"}, "acme", "3"),
        ({"pyproject.toml": "not toml [", "setup.cfg": "[metadata]\nname: acme"}, "acme", None),
        ({"pyproject.toml": '[project]\nname = "../x"\n'}, None, None),
        ({"pyproject.toml": '[project]\nname = ["acme"]\n[tool]\npoetry = 1\n'}, None, None),
        ({}, None, None),
    ],
)
def test_name_and_version_are_read_without_running_anything(
    texts: dict[str, str], project: str | None, version: str | None
) -> None:
    identity = read_identity(texts)
    assert identity.project == project
    assert identity.version == (None if version is None else Version(version))
