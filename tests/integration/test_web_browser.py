"""The web pages in a real browser: what people do, from signing in to yanking, and whether everybody can.

The pages run on the in-memory stores, the test plays the worker. ``WHEELYARD_SCREENSHOTS=FOLDER`` keeps what is seen.
"""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright, expect
from tests.contract.samples import TARGET, sample_failure
from tests.unit.sdist_files import SDIST, pack_sdist
from tests.unit.web.test_web_brought import NAME, bring, publish, refuse, wheel
from tests.unit.web_harness import BUILD_LOG, FAILING_LOG, TOKEN, WebHarness, furnish, stage_note, web_harness

from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.uploads import Upload, UploadFilter

AXE = files("axe_playwright_python") / "axe.min.js"
SCREENSHOTS = os.environ.get("WHEELYARD_SCREENSHOTS")
LOOKS = [(1280, "light"), (390, "dark"), *([(1280, "dark"), (390, "light")] if SCREENSHOTS else [])]
"""Each width and each colour scheme once; all four when pictures are taken."""


@dataclass
class Site:
    """The pages on a port, and what is behind them."""

    harness: WebHarness
    url: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: make setup installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with web_harness(tmp_path) as harness, serving(harness) as url:
        yield Site(harness=harness, url=url, ids=await furnish(harness))


@asynccontextmanager
async def serving(harness: WebHarness) -> AsyncIterator[str]:
    config = uvicorn.Config(harness.api.app, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has a flag, no event
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        harness.api.services.stopping.set()
        server.should_exit = True
        await running


@asynccontextmanager
async def visitor(
    browser: Browser,
    site: Site,
    *,
    forgiven: str | None = None,
    **options: Any,  # noqa: ANN401  Playwright's
) -> AsyncIterator[Page]:
    """Open a window, sign in, and see that no page asks anybody else or breaks its own policy."""
    context: BrowserContext = await browser.new_context(**options)
    page = await context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(site.url) else faults.append(asked.url))
    await page.goto(f"{site.url}/sign-in")
    await page.get_by_label("Token").fill(TOKEN)
    await page.locator("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    yield page
    assert [fault for fault in faults if forgiven is None or forgiven not in fault] == []
    await context.close()


async def test_wheel_is_requested_followed_looked_at_and_yanked(browser: Browser, site: Site) -> None:
    harness = site.harness
    harness.api.source.add("numpy-2.4.0.tar.gz", b"numpy")
    async with visitor(browser, site) as page:
        await page.get_by_role("link", name="Request a wheel").first.click()
        await page.get_by_label("Requirement", exact=True).fill("numpy")
        await page.get_by_role("button", name="Show the plan").click()
        await expect(page.get_by_text("numpy 2.4.0")).to_be_visible()
        await page.get_by_role("button", name="Request this wheel").click()
        await expect(page.get_by_text("Waiting for a worker.")).to_be_visible()
        claim = await harness.api.claim(page.url.rpartition("/")[2])
        await expect(page.get_by_text("Attempt 1 on worker-1")).to_be_visible()
        await harness.api.attempts.append_log(claim, BUILD_LOG)
        await expect(page.locator("#L1")).to_contain_text("stage resolve")
        await harness.api.attempts.append_log(claim, b"\x1b[31m<img src=x onerror=alert(1)>\x1b[0m\nthe last line\n")
        await page.locator(".log-box").scroll_into_view_if_needed()
        await expect(page.get_by_text("the last line")).to_be_in_viewport()
        assert await page.locator(".log img").count() == 0
        await expect(page.locator(".log .ansi-red")).to_have_text("<img src=x onerror=alert(1)>")
        filename = await harness.publish(claim)
        await expect(page.locator("h1")).to_contain_text("succeeded")
        await expect(page.get_by_text("The build has succeeded.")).to_be_visible()
        await page.get_by_role("link", name=filename).click()
        await expect(page.get_by_text("because yaml/_yaml.abi3.so needs")).to_be_visible()
        await page.get_by_label("Reason").fill("it leaks")
        await page.get_by_role("button", name="Yank").click()
        await expect(page.get_by_text("it leaks")).to_be_visible()
        assert (await harness.api.services.index.browse.wheel(filename)).yanked_reason == "it leaks"


async def test_failing_line_is_in_view_at_once(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/builds/{site.ids['failed']}")
        box = page.locator(".log-box")
        await expect(page.locator("[data-marked]")).to_contain_text("fatal error: yaml.h")
        assert await box.evaluate("box => box.scrollTop") > 0


async def test_failing_line_comes_into_view_when_a_followed_build_fails(browser: Browser, site: Site) -> None:
    harness = site.harness
    build_id, claim = await harness.log("lxml", BUILD_LOG)
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/builds/{build_id}")
        await expect(page.locator("#live")).to_have_text("Live.")
        await harness.api.attempts.append_log(claim, FAILING_LOG.removeprefix(BUILD_LOG) + b"more\n" * 300)
        await expect(page.get_by_text("compilation terminated.")).to_be_visible()
        await harness.api.attempts.finish(claim, Outcome(status=Status.FAILED, failure=sample_failure()))
        await expect(page.locator("h1")).to_contain_text("failed")
        await expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
        await expect(page.locator("[data-marked]")).to_contain_text("fatal error: yaml.h")
        box, line = page.locator(".log-box"), page.locator("[data-marked]")
        places = [await one.evaluate("one => one.getBoundingClientRect().toJSON()") for one in (box, line)]
        assert places[0]["top"] <= places[1]["top"] < places[0]["bottom"]
        await expect(page.locator("#live")).to_have_text("The build has failed.")


async def test_follower_of_a_flood_is_told_what_was_left_out_and_where_it_is(browser: Browser, site: Site) -> None:
    build_id, claim = await site.harness.log("lxml", b"the first line\n")
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/builds/{build_id}")
        await expect(page.locator("#live")).to_have_text("Live.")
        flood = b"".join(b"line %d\n" % number for number in range(2, 3_002))
        await site.harness.api.attempts.append_log(claim, flood)
        await expect(page.locator("#L3001")).to_contain_text("line 3001")
        await expect(page.get_by_text("2500 lines skipped: the log grew too fast.")).to_be_visible()
        await expect(page.locator("#L2501")).to_have_count(0)
        await page.get_by_role("link", name="Continue at line 2").click()
        await expect(page.locator("#L2")).to_contain_text("line 2")


async def test_followed_log_begins_a_fold_with_each_stage(browser: Browser, site: Site) -> None:
    build_id, claim = await site.harness.log("lxml", BUILD_LOG)
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/builds/{build_id}")
        await expect(page.locator("#live")).to_have_text("Live.")
        await site.harness.api.attempts.append_log(claim, stage_note(Stage.REPAIR, 99) + b"auditing\n")
        fold = page.locator('.fold[data-stage="repair"]')
        await expect(fold.get_by_text("auditing")).to_be_visible()
        await expect(fold.locator("summary")).to_contain_text("09:01:39")
        await fold.locator("summary").click()
        await expect(fold.get_by_text("auditing")).to_be_hidden()


async def test_names_and_versions_are_completed(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/request")
        field = page.get_by_label("Requirement", exact=True)
        await field.press_sequentially("PyY")
        await expect(page.locator("#names option")).to_have_count(1)
        assert await page.locator("#names option").get_attribute("value") == "pyyaml"
        await field.fill("")
        await field.press_sequentially("pyyaml==6")
        await expect(page.locator('#names option[value="pyyaml==6.0.3"]')).to_have_count(1)


async def test_everything_but_the_live_log_works_without_script(browser: Browser, site: Site) -> None:
    async with visitor(browser, site, java_script_enabled=False) as page:
        build_id = await site.harness.api.submit("lxml")
        await page.goto(f"{site.url}/builds/{build_id}")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("h1")).to_contain_text("cancelled")
        await page.goto(f"{site.url}/projects/pyyaml")
        await page.get_by_role("button", name="Request pyyaml 6.0.3 for Python 3.11 on manylinux_2_36_x86_64").click()
        await expect(page.locator("h1")).to_contain_text("queued")
        await page.goto(f"{site.url}/builds/{site.ids['failed']}")
        await page.get_by_label("Search the log").fill("fatal")
        await page.locator(".log-section").get_by_role("button", name="Search").click()
        await page.get_by_role("link", name="in context").first.click()
        await expect(page.locator("[data-marked]")).to_contain_text("fatal error: yaml.h")
        await page.goto(f"{site.url}/request")
        await page.get_by_label("Requirement", exact=True).fill("lxml")
        await page.get_by_role("button", name="Show the plan").click()
        await expect(page.get_by_role("heading", name="Plan", exact=True)).to_be_visible()
        await page.goto(f"{site.url}/wheels/{site.ids['wheel']}")
        await page.get_by_label("Reason").fill("it leaks")
        await page.get_by_role("button", name="Yank", exact=True).click()
        await expect(page.get_by_text("it leaks")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.goto(f"{site.url}/builds")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_lists_renew_themselves_and_keep_focus_and_what_was_typed(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/builds")
        await page.get_by_label("Requested by").fill("somebody")
        link = page.locator(f'main a[href="/builds/{site.ids["failed"]}"]').first
        await link.focus()
        await page.evaluate("document.querySelector('main h1').dataset.seen = 'yes'")
        waiting = await site.harness.api.submit("lxml")
        await expect(page.locator(f'main a[href="/builds/{waiting}"]')).to_be_visible(timeout=20_000)
        await expect(link).to_be_focused()
        await expect(page.get_by_label("Requested by")).to_have_value("somebody")
        claim = await site.harness.api.claim(waiting)
        row = page.locator(f'tr[data-key="{waiting}"]')
        await expect(row).to_contain_text("running", timeout=20_000)
        asked: list[int] = []
        page.on("response", lambda answer: asked.append(answer.status))
        await page.get_by_label("Refresh automatically").uncheck()
        await site.harness.publish(claim)
        await page.wait_for_timeout(6_000)
        assert asked == [], "it was told to stop"
        await page.get_by_label("Refresh automatically").check()
        await expect(row).to_contain_text("succeeded")


async def test_page_that_did_not_change_is_asked_for_by_its_tag(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        asked: list[int] = []
        page.on("response", lambda answer: asked.append(answer.status))
        await page.goto(f"{site.url}/queue")
        async with page.expect_response(lambda answer: answer.status == 304, timeout=60_000):
            pass
        assert asked[-1] == 304


FONTS = ("DejaVu Sans", "Liberation Sans", "serif", "DejaVu Serif", "DejaVu Sans Mono", "system-ui")


@pytest.mark.parametrize("width", [1280, 1440])
async def test_header_is_one_row_whatever_the_font(browser: Browser, site: Site, width: int) -> None:
    async with visitor(browser, site, viewport={"width": width, "height": 900}, forgiven="404") as page:
        for path in ("/builds", "/nowhere"):
            await page.goto(f"{site.url}{path}")
            for font in FONTS:
                await page.evaluate(
                    """font => {
                        document.body.style.fontFamily = font;
                        document.querySelector(".who .name").textContent = "a-rather-long-name-of-a-token";
                    }""",
                    font,
                )
                parts = ".bar > *, .top nav li, .top .find > :not(.hidden), .who > *"
                measure = "parts => parts.map(one => one.getBoundingClientRect().toJSON())"
                boxes = await page.locator(parts).evaluate_all(measure)
                middles = [one["top"] + one["height"] / 2 for one in boxes]
                assert max(middles) - min(middles) < 6, (path, font)
                assert max(one["right"] for one in boxes) <= width, (path, font)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, font)
                search = await page.get_by_label("Find a project").bounding_box()
                assert search is not None
                assert search["width"] >= 60, (path, font)


async def test_wheel_is_deleted_by_typing_its_name(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/wheels/{site.ids['wheel']}")
        await page.get_by_text("Delete this wheel").click()
        await page.get_by_label("Type the file name to confirm").fill(site.ids["wheel"])
        await page.get_by_role("button", name="Delete permanently").click()
        await expect(page.get_by_text("The file name stays reserved")).to_be_visible()


async def test_pages_are_reached_by_keyboard(browser: Browser, site: Site) -> None:
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/projects")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Name begins with")).to_be_focused()


OTHER = "other-2.0-py3-none-any.whl"


async def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files onto the form, as a file manager would."""
    content = {name: base64.b64encode(data).decode() for name, data in files.items()}
    transfer = await page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of Object.entries(files)) {
                transfer.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
            }
            return transfer;
        }""",
        content,
    )
    for event in ("dragover", "drop"):
        await page.dispatch_event("#upload", event, {"dataTransfer": transfer})


async def test_dropped_wheels_are_stored_and_their_stories_follow_their_builds(browser: Browser, site: Site) -> None:
    # What is refused at once is answered with 422, which the browser itself tells as an error.
    async with visitor(browser, site, forgiven="422 (Unprocessable Entity)") as page:
        await page.get_by_role("link", name="Upload", exact=True).click()
        await expect(page.get_by_text("Or drop them here.")).to_be_visible()
        await drop(page, {NAME: wheel(NAME), OTHER: wheel(OTHER), "broken-1.0-py3-none-any.whl": b"no wheel"})
        refused = page.locator("#sending li.failure")
        await expect(refused).to_have_count(1)
        await expect(refused).to_contain_text("broken-1.0-py3-none-any.whl is not a usable wheel")
        await expect(refused).to_contain_text("What to do:")
        await expect(refused).to_contain_text("wheel-unreadable")
        await expect(page.locator("#sending progress")).to_have_count(0)
        await expect(page.locator(".brought")).to_have_count(2)
        story = page.locator(".brought", has_text=NAME)
        await expect(story).to_contain_text("pending")
        upload = await site.harness.api.services.uploads.store.find(NAME)
        assert upload.size_bytes == len(wheel(NAME))
        await publish(site.harness, str(upload.build_id), filename=NAME)
        await expect(story).to_contain_text("published", timeout=20_000)
        await expect(story).to_contain_text("installed and imported on bookworm")
        await expect(refused).to_be_visible()
        other = await site.harness.api.services.uploads.store.find(OTHER)
        await refuse(site.harness, str(other.build_id))
        story = page.locator(".brought", has_text=OTHER)
        await expect(story).to_contain_text("tag-too-old", timeout=20_000)
        await story.get_by_role("link", name="audit and log").click()
        await expect(page.get_by_role("heading", name="Audit")).to_be_visible()
        await expect(page.locator("main")).not_to_contain_text("backend")


async def test_files_are_chosen_and_sent_with_the_keyboard(browser: Browser, site: Site, tmp_path: Path) -> None:
    for name in (NAME, OTHER):
        (tmp_path / name).write_bytes(wheel(name))
    async with visitor(browser, site) as page:
        await page.goto(f"{site.url}/upload")
        chosen = page.get_by_label("Files", exact=True)
        await chosen.set_input_files([tmp_path / NAME, tmp_path / OTHER])  # the browser's own dialog is not a page's
        await chosen.focus()
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("Targets of an sdist")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Upload")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#sent")).to_have_text(f"{OTHER} was received.")
        await expect(page.locator(".brought")).to_have_count(2)
        await expect(page.get_by_text("Or drop them here.")).to_be_visible()


async def test_files_are_sent_without_script(browser: Browser, site: Site, tmp_path: Path) -> None:
    for name, content in {NAME: wheel(NAME), OTHER: b"no wheel"}.items():
        (tmp_path / name).write_bytes(content)
    async with visitor(browser, site, java_script_enabled=False, forgiven="422") as page:
        await page.goto(f"{site.url}/upload")
        await page.get_by_label("Files", exact=True).set_input_files([tmp_path / NAME, tmp_path / OTHER])
        await page.get_by_role("button", name="Upload").click()
        await expect(page.locator("#refused")).to_contain_text(f"{OTHER} is not a usable wheel")
        await expect(page.locator(".brought")).to_contain_text(NAME)


@pytest.mark.parametrize(("width", "has_script"), [(390, True), (1280, False)])
async def test_sdist_is_sent_with_its_targets(
    browser: Browser, site: Site, tmp_path: Path, *, width: int, has_script: bool
) -> None:
    (tmp_path / SDIST).write_bytes(pack_sdist())
    viewport = {"width": width, "height": 900}
    async with visitor(browser, site, java_script_enabled=has_script, viewport=viewport) as page:
        await page.goto(f"{site.url}/upload")
        await page.get_by_label("Files", exact=True).set_input_files(tmp_path / SDIST)
        await page.get_by_text("Targets of an sdist").click()
        await page.get_by_label("3.13", exact=True).check()
        await page.get_by_label(TARGET.platform, exact=True).check()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await keep_picture(page, f"web-upload-targets-{width}.png")
        await page.get_by_role("button", name="Upload").click()
        await expect(page.locator(".brought")).to_contain_text("Targets that are still open: 1.")


async def test_too_large_a_file_is_not_sent_and_a_lost_one_is_sent_again(browser: Browser, site: Site) -> None:
    async with visitor(browser, site, forgiven="ERR_FAILED") as page:
        await page.goto(f"{site.url}/upload")
        await page.route("**/upload", lose)
        await drop(page, {NAME: wheel(NAME)})
        await expect(page.locator("#sending")).to_contain_text("The connection was lost")
        await page.unroute("**/upload")
        await page.get_by_role("button", name=f"Try again to send {NAME}").click()
        await expect(page.locator("#sent")).to_have_text(f"{NAME} was received.")
        await page.evaluate(
            """name => {
                const transfer = new DataTransfer();
                const file = new File(["x"], name);
                Object.defineProperty(file, "size", {value: 2 ** 40});
                const event = new DragEvent("drop", {cancelable: true});
                Object.defineProperty(event, "dataTransfer", {value: {files: [file]}});
                document.getElementById("upload").dispatchEvent(event);
            }""",
            OTHER,
        )
        await expect(page.locator("#sending")).to_contain_text("which the operator allows at most")
        assert [one.filename for one in (await uploads_of(site))] == [NAME]


async def lose(route: Route) -> None:
    """Lose the connection of what is sent."""
    await (route.abort() if route.request.method == "POST" else route.continue_())


async def uploads_of(site: Site) -> tuple[Upload, ...]:
    return (await site.harness.api.services.uploads.store.list_uploads(UploadFilter())).uploads


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_pages_fit_and_have_no_serious_fault(browser: Browser, site: Site, scheme: Any, width: int) -> None:  # noqa: ANN401
    running, _ = await site.harness.log("lxml", BUILD_LOG)
    brought = await brought_files(site)
    await site.harness.more()
    image = site.harness.image()
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    # A page that is not there is answered with 404, which the browser itself tells as an error.
    async with visitor(browser, site, forgiven="404 (Not Found)", **look) as page:
        for name, path in {**pages_of(site), **brought, "running-build": f"/builds/{running}", "image": image}.items():
            await page.goto(f"{site.url}{path}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert await serious_faults(page) == [], path
            await keep_picture(page, f"web-{name}-{width}-{scheme}.png")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_what_a_refresh_changed_unfolds(browser: Browser, site: Site, scheme: Any, width: int) -> None:  # noqa: ANN401
    site.harness.image()
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    async with visitor(browser, site, **look) as page:
        await page.goto(f"{site.url}/builders")
        await expect(page.get_by_text("3.0.17-1 → 3.0.17-2")).to_be_hidden()
        await page.get_by_text("1 image rebuilt, 3 packages changed").click()
        await expect(page.get_by_text("3.0.17-1 → 3.0.17-2")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await serious_faults(page) == []
        await keep_picture(page, f"web-refresh-{width}-{scheme}.png")


async def brought_files(site: Site) -> dict[str, str]:
    """Bring files of all states; gives the pages that show them."""
    refused = await bring(site.harness)
    await refuse(site.harness, refused)
    repaired = await bring(site.harness)
    old, new = (f"cp313-cp313-manylinux_2_{minor}_x86_64" for minor in (17, 38))
    change = f"Its tag was {old}, and is {new}: it needs GLIBC_2.38."
    await publish(site.harness, repaired, filename="demo-1.0-1.bookworm-py3-none-any.whl", changes=(change,))
    await site.harness.api.claim(await bring(site.harness, OTHER))
    return {
        "upload": "/upload",
        "brought-project": "/projects/demo",
        "refused-wheel": f"/builds/{refused}",
        "repaired-wheel": f"/builds/{repaired}",
    }


def pages_of(site: Site) -> dict[str, str]:
    return {
        "home": "/",
        "failed-build": f"/builds/{site.ids['failed']}",
        "build": f"/builds/{site.ids['succeeded']}",
        "log": f"/builds/{site.ids['failed']}/log",
        "project": "/projects/pyyaml",
        "wheel": f"/wheels/{site.ids['wheel']}",
        "builds": "/builds",
        "projects": "/projects",
        "request": "/request?requirement=pyyaml",
        "recipe": "/recipes/pyyaml",
        "recipes": "/recipes",
        "builders": "/builders",
        "statistics": "/statistics",
        "queue": "/queue",
        "requests": "/requests",
        "request-for-application": f"/requests/{site.ids['request']}",
        "index": "/index",
        "files": f"/wheels/{site.ids['wheel']}/files",
        "no-recipe": "/recipes/lxml",
        "sign-in": "/sign-in",
        "error": "/nowhere",
    }


async def serious_faults(page: Page) -> list[str]:
    """Ask axe-core for serious and critical faults (WCAG 2.2, levels A and AA)."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})")
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


async def keep_picture(page: Page, name: str) -> None:
    """Keep what is seen, if somebody asks for it."""
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / name)
