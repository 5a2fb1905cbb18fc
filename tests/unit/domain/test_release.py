import random
import re
from collections.abc import Sequence

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from wheelyard.domain.packaging.release import (
    IndexFile,
    ProjectFiles,
    ProjectRequirement,
    choose_release,
    parse_requirement,
)
from wheelyard.errors import InvalidRequirementError, NoMatchingVersionError, NoSdistError

WHEEL = "py3-none-any.whl"


def listed(
    filename: str, *, requires_python: str | None = None, yanked: bool = False, yanked_reason: str | None = None
) -> IndexFile:
    return IndexFile(
        filename=filename,
        url=f"memory://index/{filename}",
        sha256="0" * 64,
        kind="wheel" if filename.endswith(".whl") else "sdist",
        version=version_of(filename),
        requires_python=requires_python,
        yanked=yanked,
        yanked_reason=yanked_reason,
    )


def version_of(filename: str) -> Version:
    if filename.endswith(".whl"):
        return parse_wheel_filename(filename)[1]
    return parse_sdist_filename(filename.replace(".tar.bz2", ".tar.gz"))[1]


def page(*files: IndexFile | str) -> ProjectFiles:
    entries = [listed(f"demo-{file}.tar.gz") if isinstance(file, str) else file for file in files]
    return ProjectFiles(project=canonicalize_name("demo"), files=tuple(entries))


def chosen(requirement: str, files: ProjectFiles, python: str = "3.13") -> str:
    return choose_release(parse_requirement(requirement), files, python=python).sdist.filename


def yanked(version: str, reason: str | None = None) -> IndexFile:
    return listed(f"demo-{version}.tar.gz", yanked=True, yanked_reason=reason)


def for_python(version: str, requires_python: str) -> IndexFile:
    return listed(f"demo-{version}.tar.gz", requires_python=requires_python)


# --- requirements ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lxml", "lxml"),
        ("  LXML  ", "lxml"),
        ("zope.interface>=6", "zope-interface>=6"),
        ("Foo__Bar-Baz == 1.0", "foo-bar-baz==1.0"),
        ("lxml>=6,<7", "lxml<7,>=6"),
        ("lxml (>=6)", "lxml>=6"),
        ("lxml~=6.0", "lxml~=6.0"),
        ("lxml!=6.0.*", "lxml!=6.0.*"),
        ("lxml===6.0", "lxml===6.0"),
        ("lxml==6.0+local.1", "lxml==6.0+local.1"),
        ("requests[socks]>=2", "requests[socks]>=2"),
    ],
)
def test_plain_requirement_is_read_and_normalised(text: str, shown: str) -> None:
    assert str(parse_requirement(text)) == shown


def test_extras_are_kept_and_normalised_but_name_the_same_project() -> None:
    requirement = parse_requirement("Requests[Socks,use_chardet]")
    assert requirement.project == "requests"
    assert requirement.extras == {"socks", "use-chardet"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a" * 501, "longer than 500"),
        ("lxml\n--index-url x", "line breaks"),
        ("lxml\x00", "control characters"),
        ("-r requirements.txt", "option"),
        ("--pre", "option"),
        ("-e .", "option"),
        ("git+https://example.invalid/a.git", "version control"),
        ("https://example.invalid/a-1.tar.gz", "URL"),
        ("file:///etc/passwd", "URL"),
        ("a @ https://example.invalid/a-1.tar.gz", "URL"),
        ("a@file", "direct reference"),
        (".", "path"),
        ("./a", "path"),
        ("../a", "path"),
        ("~/a", "path"),
        ("/a/b", "path"),
        ("a/b", "path"),
        ("a\\b", "path"),
        ("lxml-6.0.tar.gz", "file name"),
        ("lxml-6.0-cp313-cp313-linux_x86_64.whl", "file name"),
        ("lxml; python_version < '3'", "environment marker"),
        ("lxml>=6 ; extra == 'a/b'", "environment marker"),
        ("lxml=6", "single '='"),
        ("lxml = 6.0", "single '='"),
        ("lxml 6.0", "operator"),
        ("lxml>=", "not a PEP 508 requirement"),
        ("lxml>=6 foo", "not a PEP 508 requirement"),
        ("lxml==six", "not a PEP 508 requirement"),
        ("lxml_", "not a PEP 508 requirement"),
        ("lxml[a_]", "not a PEP 508 requirement"),
        ("!lxml", "not a PEP 508 requirement"),
        ("lxml>2,<1", "no version at all"),
        ("lxml==1,==2", "no version at all"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequirementError, match=re.escape(reason)) as caught:
        parse_requirement(text)
    assert not caught.value.reason.endswith(".")
    assert "\n" not in caught.value.reason


def test_random_text_is_read_or_refused_but_never_fails_otherwise() -> None:
    dice = random.Random(508)  # noqa: S311
    for _ in range(3000):
        text = "".join(dice.choices("ab1.-_ <>=!~,;@[]()/\\'\"*+\n\t#$é", k=dice.randrange(14)))
        try:
            again = str(parse_requirement(text))
        except InvalidRequirementError:
            continue
        assert str(parse_requirement(again)) == again


# --- the choice ---


@pytest.mark.parametrize(
    ("requirement", "versions", "expected"),
    [
        ("demo", ["1.0", "1.10", "1.9"], "1.10"),
        ("demo<1.10", ["1.0", "1.10", "1.9"], "1.9"),
        ("demo", ["1!0.1", "9.0"], "1!0.1"),
        ("demo", ["1.0", "1.0.post1"], "1.0.post1"),
        ("demo>1.0", ["1.0", "1.0.post1", "1.0+local"], None),
        ("demo==1.0", ["1.0.0"], "1.0.0"),
        ("demo==1.0.*", ["1.0.7", "1.1"], "1.0.7"),
        ("demo~=1.4", ["1.3", "1.9", "2.0"], "1.9"),
        ("demo", ["1.0", "2.0rc1"], "1.0"),
        ("demo", ["1.0", "2.0.dev1"], "1.0"),
        ("demo", ["2.0a1", "2.0b1"], "2.0b1"),
        ("demo>=2.0a1", ["1.0", "2.0b1"], "2.0b1"),
        ("demo==2.0rc1", ["1.0", "2.0rc1"], "2.0rc1"),
        ("demo>=1.5", ["1.0", "2.0rc1"], "2.0rc1"),
        ("demo<2", ["1.0", "2.0rc1"], "1.0"),
        ("demo===1.0", ["1.0", "1.0.0"], "1.0"),
        ("demo!=1.9", ["1.0", "1.9"], "1.0"),
    ],
)
def test_newest_version_that_fits_is_chosen(requirement: str, versions: Sequence[str], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(NoMatchingVersionError):
            chosen(requirement, page(*versions))
    else:
        assert chosen(requirement, page(*versions)) == f"demo-{expected}.tar.gz"


SPECIFIERS = [
    "",
    ">=1",
    "<1",
    "~=1.1",
    "==1.*",
    "!=1.1",
    ">1.0,<2",
    ">=1.1b1",
    "<=2.0rc1",
    "==1.1",
    "===1.1",
    "<2.0.dev9",
]
PARTS = ["0.9", "1.0", "1.0.post1", "1.1.dev1", "1.1b1", "1.1", "1.2rc1", "2.0a1", "2.0", "2.1.dev3", "1!0.1", "1.0+l1"]


def test_choice_agrees_with_packagings_own_filter() -> None:
    dice = random.Random(440)  # noqa: S311
    for _ in range(2000):
        versions = dice.sample(PARTS, k=dice.randint(1, 6))
        specifier = SpecifierSet(dice.choice(SPECIFIERS))
        expected = sorted(specifier.filter(map(Version, versions)))
        requirement = ProjectRequirement(project=canonicalize_name("demo"), specifier=specifier)
        try:
            release = choose_release(requirement, page(*versions), python="3.13")
        except NoMatchingVersionError:
            assert not expected
        else:
            assert release.version == expected[-1]


def test_choice_does_not_depend_on_the_order_of_the_page() -> None:
    dice = random.Random(503)  # noqa: S311
    files = [*page(*PARTS).files, yanked("3.0"), for_python("4.0", ">=3.99"), listed(f"demo-2.0-{WHEEL}")]
    for _ in range(50):
        dice.shuffle(files)
        assert chosen("demo<5", page(*files)) == "demo-2.0.tar.gz"


def test_yanked_release_is_passed_over() -> None:
    assert chosen("demo", page("1.0", yanked("2.0"))) == "demo-1.0.tar.gz"


@pytest.mark.parametrize("requirement", ["demo==2.0", "demo===2.0", "demo>1,==2.0"])
def test_exact_pin_takes_a_yanked_release(requirement: str) -> None:
    assert chosen(requirement, page("1.0", yanked("2.0"))) == "demo-2.0.tar.gz"


@pytest.mark.parametrize("requirement", ["demo", "demo==2.*", "demo>=2.0,<=2.0", "demo~=2.0"])
def test_anything_but_an_exact_pin_does_not_take_a_yanked_release(requirement: str) -> None:
    with pytest.raises(NoMatchingVersionError, match=re.escape("2.0 was yanked: broken")):
        chosen(requirement, page(yanked("2.0", "broken")))


def test_exact_pin_ignores_yanked_files_if_another_file_satisfies_it() -> None:
    files = page(listed("demo-2.0.zip"), yanked("2.0"))
    assert chosen("demo==2.0", files) == "demo-2.0.zip"


def test_yanked_final_release_still_hides_prereleases_as_in_pip() -> None:
    with pytest.raises(NoMatchingVersionError, match=r"1\.0 was yanked, and the others are pre-releases"):
        chosen("demo", page(yanked("1.0"), "2.0b1"))


def test_release_for_another_python_is_passed_over() -> None:
    assert chosen("demo", page("1.0", for_python("2.0", ">=3.14"))) == "demo-1.0.tar.gz"


def test_final_release_for_another_python_does_not_hide_prereleases() -> None:
    assert chosen("demo", page(for_python("1.0", "<3"), "2.0b1")) == "demo-2.0b1.tar.gz"


@pytest.mark.parametrize("requires_python", ["", ">=3.6", "!=3.0.*,>=2.7", "~=3.13", "not a specifier", ">=3.6.*"])
def test_fitting_or_invalid_requires_python_does_not_exclude(requires_python: str) -> None:
    assert chosen("demo", page(for_python("1.0", requires_python))) == "demo-1.0.tar.gz"


def test_python_without_a_micro_version_counts_as_its_first() -> None:
    files = page("1.0", for_python("2.0", ">=3.9,!=3.9.0,!=3.9.1"))
    assert chosen("demo", files, "3.9") == "demo-1.0.tar.gz"
    assert chosen("demo", files, "3.9.2") == "demo-2.0.tar.gz"


def test_prerelease_of_python_itself_may_build() -> None:
    assert chosen("demo", page(for_python("1.0", ">=3.9")), "3.15.0b1") == "demo-1.0.tar.gz"


def test_tar_gz_is_preferred_over_zip() -> None:
    assert chosen("demo", page(listed("demo-1.0.zip"), "1.0")) == "demo-1.0.tar.gz"


def test_zip_is_taken_if_it_is_all_there_is() -> None:
    assert chosen("demo", page(listed("demo-1.0.zip"), listed(f"demo-1.0-{WHEEL}"))) == "demo-1.0.zip"


@pytest.mark.parametrize("filename", [f"demo-2.0-{WHEEL}", "demo-2.0.tar.bz2"])
def test_newest_release_without_sdist_is_an_error_not_an_older_release(filename: str) -> None:
    with pytest.raises(NoSdistError) as caught:
        chosen("demo", page("1.0", listed(filename)))
    assert caught.value.files == (filename,)
    assert caught.value.release == "demo 2.0"


def test_nothing_that_fits_names_the_newest_few() -> None:
    with pytest.raises(NoMatchingVersionError) as caught:
        chosen("demo>99", page(*(f"1.{minor}" for minor in range(20))))
    assert caught.value.newest == ("1.19", "1.18", "1.17", "1.16", "1.15")
    assert caught.value.rejected == "no version satisfies '>99'"


def test_nothing_for_this_python_says_what_is_required() -> None:
    with pytest.raises(NoMatchingVersionError, match=re.escape("2.0 requires Python >=3.14")):
        chosen("demo>1", page("1.0", for_python("2.0", ">=3.14")))


def test_project_without_files_says_so() -> None:
    with pytest.raises(NoMatchingVersionError, match="lists no usable files"):
        chosen("demo", page())
