"""The guide in a real browser: its search works under its own strict policy, and it asks nobody else."""

import asyncio
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from tests.integration.test_web_browser import serving
from tests.unit.web_harness import web_harness
from tools.build_guide import PAGES_ELSEWHERE, ROOT, build_guide

from wheelyard.web import guide as module


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
async def test_guide_can_be_read_and_searched_and_breaks_no_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, scheme: str
) -> None:
    for name in ("docs", "zensical.toml", *PAGES_ELSEWHERE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    archive = build_guide(tmp_path)
    monkeypatch.setattr(module, "data_path", lambda _: archive)
    program = shutil.which("chromium")
    assert program, "chromium is missing: make setup installs it"
    (tmp_path / "cache").mkdir()
    async with web_harness(tmp_path / "cache") as harness, serving(harness) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(url) else faults.append(asked.url))
        await page.goto(f"{url}/guide/")
        await page.locator("article").get_by_role("link", name="Your first wheel").click()
        await expect(page.get_by_role("heading", name="Your first wheel")).to_be_visible()
        await search(page, "malformed line")
        await page.get_by_role("option", name="A prebuild is refused").click()
        await expect(page.get_by_role("heading", name="A prebuild is refused")).to_be_in_viewport()
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background != "rgb(255, 255, 255)") == (scheme == "dark"), background
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert faults == []
        await browser.close()


async def search(page: Page, text: str) -> None:
    """Open the search by its key and enter a text; a page hears keys only once its script has run."""
    box = page.get_by_role("combobox", name="Search")
    async with asyncio.timeout(30):
        while not await box.is_visible():
            await page.keyboard.press("/")
            await page.wait_for_timeout(200)
    await box.fill(text)
