"""The web pages of a real service in a real browser: request a wheel, follow its log, look at it, yank it."""

import shutil

from playwright.sync_api import expect, sync_playwright
from tests.acceptance.running_service import BUILD_SECONDS, RunningService

WAIT = BUILD_SECONDS * 1000
"""In milliseconds, as Playwright counts."""


def test_wheel_is_requested_followed_looked_at_and_yanked_in_a_browser(service: RunningService) -> None:
    program = shutil.which("chromium")
    assert program, "chromium is missing: make setup installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{service.url}/sign-in")
        page.get_by_label("Token").fill(service.token)
        page.locator("main").get_by_role("button", name="Sign in").click()

        page.get_by_role("link", name="Request a wheel").first.click()
        page.get_by_label("Requirement", exact=True).fill("iniconfig==2.0.0")
        page.get_by_role("button", name="Show the plan").click()
        expect(page.get_by_role("heading", name="Plan", exact=True)).to_be_visible(timeout=30_000)
        page.get_by_role("button", name="Request this wheel").click()

        # The page brings itself up to date from here on: the test loads nothing again.
        expect(page.locator(".log-box li").first).to_be_visible(timeout=WAIT)
        expect(page.locator("h1")).to_contain_text("succeeded", timeout=WAIT)
        expect(page.get_by_text("The build has succeeded.")).to_be_visible()
        expect(page.locator(".log-box")).to_contain_text("published iniconfig-2.0.0")

        page.locator("#build-head").get_by_role("link", name="iniconfig-2.0.0").click()
        expect(page.get_by_role("heading", name="Contents")).to_be_visible()
        filename = page.locator("h1").inner_text()
        expect(page.locator("main")).to_contain_text("iniconfig/__init__.py")
        page.get_by_label("Reason").fill("tried by a test")
        page.get_by_role("button", name="Yank", exact=True).click()
        expect(page.get_by_text("Installers ignore it")).to_be_visible()
        assert faults == []
        browser.close()
    wheel = service.http.get(f"/v1/wheels/{filename}").json()
    assert (wheel["standing"], wheel["yanked_reason"]) == ("yanked", "tried by a test")
