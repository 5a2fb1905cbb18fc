"""The service's own recipes come before those of folders, and are read from memory."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import ManualClock
from tests.fakes.images import MemoryRecipes
from tests.fakes.recipes import MemoryRecipeStore
from tests.fakes.records import MemoryState
from tests.unit.recipe_texts import parse_recipe

from wheelyard.adapters.recipes.stored import StoredRecipes
from wheelyard.domain.recipes.revision import NewRevision, RecipeRevision
from wheelyard.errors import DatabaseUnavailableError, RecipeInvalidError

DEMO, OTHER = canonicalize_name("demo"), canonicalize_name("other")
FOLDER = 'schema = 1\nname = "demo"\n[[rule]]\napt = ["libfolder-dev"]\n'
OWN = 'schema = 1\nname = "demo"\n[[rule]]\nwhen.suite = ["bookworm"]\napt = ["libown-dev"]\n'


class FaultyStore(MemoryRecipeStore):
    """A store whose database can be down."""

    down = False

    async def changes(self, *, after: int) -> tuple[RecipeRevision, ...]:
        if self.down:
            raise DatabaseUnavailableError(reason="connection refused")
        return await super().changes(after=after)


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryState(clock=ManualClock(datetime.now(UTC))))


@pytest.fixture
def book(store: FaultyStore) -> StoredRecipes:
    others = MemoryRecipes(parse_recipe(FOLDER, source="/book/demo.toml"))
    return StoredRecipes(store, others, suites=["bookworm"])


async def save(store: MemoryRecipeStore, text: str | None) -> RecipeRevision:
    return await store.save(NewRevision(project=DEMO, text=text, by="alice"))


def packages(book: StoredRecipes) -> tuple[str, ...]:
    recipe = book.find(DEMO)
    assert recipe is not None
    return recipe.rules[0].apt


async def test_own_recipe_replaces_that_of_a_folder(store: FaultyStore, book: StoredRecipes) -> None:
    assert packages(book) == ("libfolder-dev",)
    saved = await save(store, OWN)
    assert packages(book) == ("libfolder-dev",)  # the change is not read yet
    await book.refresh()
    assert packages(book) == ("libown-dev",)
    assert book.find(OTHER) is None
    status = book.describe(DEMO)
    assert status is not None
    assert (status.source, status.text, status.files) == ("demo, revision 1 by alice", OWN, ())
    assert (status.revision, status.replaces) == (saved, "/book/demo.toml")
    assert book.list_recipes() == (status,)
    assert [one.place for one in book.list_sources()] == ["memory", "the database of this service"]


async def test_removed_recipe_gives_way_to_that_of_a_folder(store: FaultyStore, book: StoredRecipes) -> None:
    await save(store, OWN)
    await book.refresh()
    await save(store, None)
    await book.refresh()
    assert packages(book) == ("libfolder-dev",)
    assert [status.source for status in book.list_recipes()] == ["/book/demo.toml"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  the registry tells nobody
            await asyncio.sleep(0.01)


async def test_recipe_that_no_longer_fits_the_format_disables_its_project_alone(
    store: FaultyStore, book: StoredRecipes
) -> None:
    await save(store, OWN.replace("bookworm", "bookwyrm"))
    await book.refresh()
    with pytest.raises(RecipeInvalidError, match=r"demo, revision 1 by alice.*line 4"):
        book.find(DEMO)
    status = book.describe(DEMO)
    assert status is not None
    assert status.problems
    assert book.find(OTHER) is None


async def test_changes_of_other_processes_are_read_and_an_outage_changes_nothing(
    store: FaultyStore, book: StoredRecipes
) -> None:
    following = asyncio.create_task(book.follow())
    await save(store, OWN)
    await until(lambda: packages(book) == ("libown-dev",))
    store.down = True
    await save(store, None)
    await until(lambda: "connection refused" in book.list_sources()[-1].problem)
    assert packages(book) == ("libown-dev",)
    store.down = False
    await until(lambda: packages(book) == ("libfolder-dev",))
    assert not book.list_sources()[-1].problem
    following.cancel()
