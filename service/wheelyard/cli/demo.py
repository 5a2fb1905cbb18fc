"""The demonstration: two real projects from source to an import in the bare runtime image, over the public interfaces.

Must not use anything that a user could not: HTTP, the index, pip. It only reads what ``wheelyard up`` left.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from rich.text import Text

from wheelyard.api.schemas.builds import BuildView
from wheelyard.cli.client import WheelyardClient, open_client
from wheelyard.cli.console import format_seconds, note, output
from wheelyard.cli.demo_install import Installation, install_and_import
from wheelyard.cli.demo_service import running_service
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.report import exit_code_of_build, report_build
from wheelyard.cli.screen import Screen, open_screen
from wheelyard.cli.watch import BuildWatch
from wheelyard.settings import load_settings

# One plain C extension, and one that needs a system library and its headers.
PROJECTS: Final = ("markupsafe", "pyyaml")
_TAIL_LINES: Final = 6


def run_demo() -> ExitCode:
    """Run it from beginning to end; ends at the first thing that does not work."""
    begun = time.monotonic()
    settings = load_settings()
    with running_service(settings) as service:
        with open_client(None) as client:
            builds = _build_all(client)
        output().print(Text("\nWhat was built", style="bold"))
        for build in builds:
            output().print(report_build(build), soft_wrap=True)
        worst = max(exit_code_of_build(build) for build in builds)
        if worst is not ExitCode.OK:
            note("the demonstration ends here: a build failed, and says why above")
            return worst
        output().print(Text("\nInstalled from the index into the bare runtime image", style="bold"))
        install_and_import(settings, Installation.of(builds, index_url=service.simple_url))
    output().print(
        Text(f"\nThe demonstration is through, in {format_seconds(time.monotonic() - begun)}.", "bold green")
    )
    return ExitCode.OK


def _build_all(client: WheelyardClient) -> tuple[BuildView, ...]:
    """Ask for all of them, then follow all of them at once; returns them as they ended."""
    submitted = [client.submit(project) for project in PROJECTS]
    for build in submitted:
        how = f"joined {build.id}, which is {build.status}" if build.joined else f"asked for, as {build.id}"
        note(f"{_label(build)} for Python {build.python} on {build.platform}: {how}")
    with open_screen(with_log=False, tail_lines=_TAIL_LINES) as screen:
        _follow_all(client, [build for build in submitted if not build.status.is_final], screen)
    return tuple(client.build(build.id) for build in submitted)


def _follow_all(client: WheelyardClient, builds: Sequence[BuildView], screen: Screen) -> None:
    # Threads, because the client is a plain one and two streams are read; httpx's client may be shared by threads.
    with ThreadPoolExecutor(max_workers=len(PROJECTS)) as pool:
        followed = [pool.submit(_follow, client, build, screen) for build in builds]
    for future in followed:
        future.result()


def _follow(client: WheelyardClient, build: BuildView, screen: Screen) -> None:
    label, watch = _label(build), BuildWatch()
    screen.add(label)
    for event in client.follow(build.id):
        for news in watch.apply(event):
            screen.show(label, news)


def _label(build: BuildView) -> str:
    return f"{build.project} {build.version}"
