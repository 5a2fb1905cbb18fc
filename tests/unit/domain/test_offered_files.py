"""What a resolver is shown beside upstream's page."""

import pytest
from packaging.version import Version
from tests.contract.samples import TARGET

from wheelyard.domain.index.placeholder_files import Placeholders, is_usable, offer_files
from wheelyard.domain.packaging.release import IndexFile


def file(filename: str, *, own: bool = False, yanked: bool = False, requires_python: str | None = None) -> IndexFile:
    return IndexFile(
        filename=filename,
        url=f"memory://{filename}",
        sha256="ab" * 32,
        kind="wheel" if filename.endswith(".whl") else "sdist",
        version=Version(filename.removesuffix(".tar.gz").split("-")[1]),
        yanked=yanked,
        requires_python=requires_python,
        own=own,
    )


PURE = file("demo-1.0-py3-none-any.whl")
SDIST = file("demo-1.0.tar.gz")
OWN = file("demo-1.0-1.bookworm-py3-none-any.whl", own=True)


def names(files: tuple[IndexFile, ...]) -> list[str]:
    return [one.filename for one in files]


@pytest.mark.parametrize(
    ("wheel", "takers"),
    [
        (PURE, 1),
        (file("demo-1.0-cp313-cp313-manylinux_2_36_x86_64.whl"), 1),
        (file("demo-1.0-cp313-cp313-manylinux_2_37_x86_64.whl"), 0),
        (file("demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"), 0),
        (file("demo-1.0-py3-none-any.whl", yanked=True), 0),
        (file("demo-1.0-py3-none-any.whl", requires_python=">=3.14"), 0),
        (SDIST, 0),
    ],
)
def test_wheel_is_usable_if_installers_take_it_by_themselves(wheel: IndexFile, takers: int) -> None:
    assert is_usable(wheel, TARGET) is bool(takers)


@pytest.mark.parametrize("placeholders", list(Placeholders))
def test_upstreams_page_will_do_where_it_has_a_wheel(placeholders: Placeholders) -> None:
    assert offer_files([PURE, SDIST], [OWN], target=TARGET, placeholders=placeholders) is None


def test_own_wheel_is_added_where_upstream_has_none() -> None:
    offered = offer_files([SDIST], [OWN], target=TARGET, placeholders=Placeholders.ALL)
    assert offered is not None
    assert (names(offered.files), offered.placeholders) == ([SDIST.filename, OWN.filename], ())


def test_own_wheel_that_does_not_serve_stands_in_nobodys_way() -> None:
    native = file("demo-1.0-1.bookworm-cp311-cp311-manylinux_2_36_x86_64.whl", own=True)
    offered = offer_files([SDIST], [native], target=TARGET, placeholders=Placeholders.WHEELLESS)
    assert offered is not None
    assert offered.placeholders == (SDIST,)


def test_sdist_stands_in_for_a_release_only_when_it_is_asked_for() -> None:
    newer = file("demo-2.0.tar.gz")
    files = [PURE, SDIST, newer, file("demo-3.0.tar.gz", requires_python=">=3.14")]
    assert offer_files([SDIST], [], target=TARGET, placeholders=Placeholders.NONE) is None
    assert offer_files(files[:3], [], target=TARGET, placeholders=Placeholders.WHEELLESS) is None
    offered = offer_files(files, [], target=TARGET, placeholders=Placeholders.ALL)
    assert offered is not None
    assert offered.placeholders == (newer,)
