"""Take the pictures of the docs: of a real service, with real projects that it builds from source.

    .venv/bin/python tools/take_pictures.py [FOLDER]

It runs ``wheelyard up`` on a state directory of its own, builds a few small projects, one of which fails because it
lacks a recipe, opens their pages in Chromium and writes pictures of them into FOLDER (docs/images).
``WHEELYARD_STATE_DIR`` keeps the state for another time.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, async_playwright, expect

from wheelyard.api.schemas.builds import BuildView
from wheelyard.api.schemas.requests import NewRequest
from wheelyard.cli.client import WheelyardClient, open_client
from wheelyard.cli.console import note
from wheelyard.cli.demo import running_service
from wheelyard.domain.builds.build import Status
from wheelyard.settings import load_settings

FOLDER: Final = Path(__file__).parents[1] / "docs" / "images"
BUILT: Final = ("markupsafe==3.0.2", "pyyaml==6.0.2", "pyyaml", "markupsafe")
HEALING: Final = "python-snappy==0.6.1"
"""It has no recipe, and needs the headers of snappy."""
APPLICATION: Final = ["pyyaml", "markupsafe", "six"]
SHOWN: Final = {
    (1280, "light"): ("healed-build", "project"),
    (1280, "dark"): ("wheel", "builds"),
    (390, "light"): ("home",),
}
"""The pages that the docs show, by width and colour scheme."""


def main(folder: Path) -> None:
    """Build, then take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with _state_dir() as state_dir:
        os.environ["WHEELYARD_STATE_DIR"] = str(state_dir)
        with running_service(load_settings()) as service, open_client(None) as client:
            pages = _pages(client)
            token = (state_dir / "token").read_text().strip()
            asyncio.run(_take_all(service.url, token, pages, folder))


@contextmanager
def _state_dir() -> Iterator[Path]:
    """Return the directory that the environment names, else one that is removed with the block."""
    if given := os.environ.get("WHEELYARD_STATE_DIR"):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="wheelyard-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as a user of its own
        yield Path(folder)


def _pages(client: WheelyardClient) -> dict[str, str]:
    """Build everything; return paths by the pictures' names."""
    submitted = [client.submit(project) for project in (*BUILT, HEALING)]
    builds = [_finish(client, build) for build in submitted]
    if [build.status for build in builds] != [Status.SUCCEEDED] * len(builds):
        ends = ", ".join(f"{build.project} {build.version} {build.status}" for build in builds)
        sys.exit(f"the builds did not end as the documents show them: {ends}")
    wheel = next(build.wheel for build in builds if build.project == "pyyaml" and build.wheel)
    request = client.submit_request(NewRequest(requirements=APPLICATION))
    for _ in client.follow_request(request.id):
        pass
    return {
        "home": "/",
        "healed-build": f"/builds/{builds[-1].id}",
        "wheel": f"/wheels/{wheel.filename}",
        "project": "/projects/pyyaml",
        "builds": "/builds",
    }


def _finish(client: WheelyardClient, build: BuildView) -> BuildView:
    for _ in client.follow(build.id):
        pass
    ended = client.build(build.id)
    note(f"{ended.project} {ended.version}: {ended.status}")
    return ended


async def _take_all(url: str, token: str, pages: dict[str, str], folder: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is missing: make test-setup installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for (width, scheme), names in SHOWN.items():
            shown = {name: pages[name] for name in names}
            await _take(browser, url, token, shown, folder, width=width, scheme=scheme)
        await browser.close()


async def _take(  # noqa: PLR0913  (what differs between two pictures)
    browser: Browser, url: str, token: str, pages: dict[str, str], folder: Path, *, width: int, scheme: str
) -> None:
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    context = await browser.new_context(**look)  # type: ignore[arg-type]
    page = await context.new_page()
    await _sign_in(page, url, token)
    for name, path in pages.items():
        await page.goto(f"{url}{path}")
        await page.screenshot(path=folder / f"web-{name}-{width}-{scheme}.png")
        note(f"web-{name}-{width}-{scheme}.png")
    await context.close()


async def _sign_in(page: Page, url: str, token: str) -> None:
    await page.goto(f"{url}/sign-in")
    await page.get_by_label("Token").fill(token)
    await page.locator("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
