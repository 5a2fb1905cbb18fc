"""Secrets that a service is given, or makes, are in no command line, log, answer, page, row, image or container.

One service with planted secrets of every kind makes one wheel, fails at another, and is asked for things that it
refuses; meanwhile everything that others can see is looked through. Its database and its index are others', so that it
uses the passwords that it is given for them.
"""

import asyncio
import json
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psycopg
import pytest
from tests.acceptance.hosts import database_on
from tests.acceptance.processes import command_line, descendants
from tests.acceptance.running_service import Launch, RunningService, running
from tests.acceptance.upstream import MISSING_HEADER, SLOW, Upstream, open_upstream
from tests.integration.git_host import git_host

from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.devpi_serving import DevpiServing
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.resources import data_path

UPSTREAM_PASSWORD: Final = "pl4nted-upstream-password"
RECIPES_PASSWORD: Final = "pl4nted-recipes-password"
IN_FILES: Final = ("DATABASE_PASSWORD", "INDEX_PASSWORD", "STAGING_PASSWORD")
SHIMMED: Final = ("git", "docker", "podman")
PAGES: Final = ("/", "/builds", "/projects", "/recipes", "/builders", "/statistics", "/request")
OVERLAP_BYTES: Final = 256

Seen = dict[str, str]


async def test_no_secret_is_where_others_can_see_it(
    make_state_dir: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {name: secrets.token_hex(16) for name in IN_FILES}
    argv = log_programs(tmp_path / "programs", monkeypatch)
    database_dir, index_dir = make_state_dir(), make_state_dir()
    passwords = {"promoter": planted["INDEX_PASSWORD"], "publisher": planted["STAGING_PASSWORD"]}
    devpi = EmbeddedDevpi(index_dir, lock_file=data_path("devpi.lock"), serving=DevpiServing(passwords=passwords))
    async with EmbeddedPostgres(database_dir) as url, database_on("127.0.0.1", url) as address, devpi as endpoint:
        with open_upstream() as upstream, recipes_at(tmp_path / "hosted") as recipes:
            upstream.login = f"reader:{UPSTREAM_PASSWORD}"
            settings = {
                "UPSTREAM_INDEX_URL": upstream.url.replace("http://", f"http://{upstream.login}@"),
                "RECIPES": json.dumps([f"git+{recipes}".replace("://", f"://reader:{RECIPES_PASSWORD}@")]),
                "SECRETS_DIR": str(files_of(planted, tmp_path / "secrets")),
                "DATABASE_URL": address,
                "INDEX_URL": endpoint.url,
                "LOG_LEVEL": "debug",
            }
            launch = Launch(state_dir=make_state_dir(), settings=settings)
            hidden, seen = await asyncio.to_thread(use_service, launch, upstream, url)
    hidden |= planted | {"upstream password": UPSTREAM_PASSWORD, "recipes password": RECIPES_PASSWORD}
    hidden |= {f"devpi password of {user}": text for user, text in passwords_of(index_dir).items()}
    seen["programs"] = argv.read_text()
    seen["devpi's log"] = logs_of(index_dir)
    assert recipes in seen["programs"]
    assert recipes in seen["answers"]
    assert [(name, where) for name, secret in hidden.items() for where, text in seen.items() if secret in text] == []


def use_service(launch: Launch, upstream: Upstream, database_url: str) -> tuple[dict[str, str], Seen]:
    """Make a wheel, fail at another, look at everything; give every secret that was made, and all that was seen."""
    good, bad = upstream.add("keepsquiet", SLOW), upstream.add("failsquietly", MISSING_HEADER)
    with running(launch) as service, watched_command_lines(service) as seen_while_running:
        running_build = service.submit(good)["id"]
        service.in_stage(running_build, "build", saying="tick")
        container = said_by(service, ["inspect", *service.containers()])
        builds = [service.finished(build_id) for build_id in (running_build, service.submit(bad)["id"])]
        assert [build["status"] for build in builds] == ["succeeded", "failed"]
        made = service.cli("token", "create", "planted", "--scope", "read", "--expires", "1d").stdout.strip()
        assert made.startswith("wy_")
        cookie, pages = visit(service, [build["id"] for build in builds])
        hidden = {"first token": service.token, "made token": made, "session cookie": cookie}
        seen = {
            "command lines": "\n".join(seen_while_running),
            "answers": answers_of(service, [build["id"] for build in builds]),
            "pages": pages,
            "logs": logs_of(launch.state_dir),
            "rows": rows_of(database_url),
            "images": images_said(service, builds[0]),
            "container": container,
            "listings": service.cli("token", "list").stdout + service.cli("audit", "--json").stdout,
        }
        planted = [UPSTREAM_PASSWORD, RECIPES_PASSWORD, *hidden.values()]
        planted += [(Path(launch.settings["SECRETS_DIR"]) / file_name(name)).read_text() for name in IN_FILES]
        for image in images_of(builds[0]):
            assert found_in_layers(service, image, planted) == []
        upstream.login = "reader:another"
        refused = service.http.post("/v1/builds", json={"requirement": "something-else"})
        assert refused.status_code == 503
        seen["error"] = refused.text + logs_of(launch.state_dir)
    assert "keepsquiet" in seen["answers"]
    assert "of-the-organisation" in seen["answers"]
    assert "keepsquiet" in seen["pages"]
    assert "keepsquiet" in seen["rows"]
    assert "org.wheelyard.worker" in seen["container"]
    assert "token.created" in seen["listings"]
    assert seen["command lines"]
    return hidden, seen


@contextmanager
def recipes_at(folder: Path) -> Iterator[str]:
    """Give the address of a repository of recipes that asks for a password."""
    recipe = 'schema = 1\nname = "of-the-organisation"\n[[rule]]\n'
    folder.mkdir()
    (folder / "of-the-organisation.toml").write_text(recipe)
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message=recipes"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    with git_host(folder, user="reader", password=RECIPES_PASSWORD) as url:
        yield f"{url}/.git"


def log_programs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs in front of the real ones that write down their arguments, be they seen running or not."""
    folder.mkdir()
    log = folder / "argv.log"
    for name in SHIMMED:
        if (real := shutil.which(name)) is not None:
            (folder / name).write_text(f'#!/bin/sh\nprintf \'%s\\n\' "{name} $*" >> {log}\nexec {real} "$@"\n')
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return log


def files_of(planted: Mapping[str, str], folder: Path) -> Path:
    folder.mkdir()
    for name, secret in planted.items():
        (folder / file_name(name)).write_text(secret)
    return folder


def file_name(setting: str) -> str:
    return f"wheelyard_{setting.lower()}"


def passwords_of(index_dir: Path) -> dict[str, str]:
    home = index_dir / "devpi"
    return {**json.loads((home / "passwords.json").read_text()), "the server": (home / "secret").read_text().strip()}


@contextmanager
def watched_command_lines(service: RunningService) -> Iterator[set[str]]:
    """Collect the command lines of all the service's processes, again and again, until the block ends."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.update(command_line(mark) for mark in descendants(service.process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def visit(service: RunningService, build_ids: list[str]) -> tuple[str, str]:
    """Sign in as a browser does, look at every page, and give the session's secret and all that was shown."""
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False, headers={"Accept": "text/html"}) as browser:
        signed_in = browser.post("/sign-in", data={"token": service.token, "next": "/"})
        assert signed_in.status_code == httpx.codes.SEE_OTHER
        (cookie,) = browser.cookies.jar
        paths = [*PAGES, *(f"/builds/{build_id}{part}" for build_id in build_ids for part in ("", "/log"))]
        shown = [browser.get(path).raise_for_status().text for path in paths]
    assert cookie.value
    return cookie.value, "\n".join(shown)


def answers_of(service: RunningService, build_ids: list[str]) -> str:
    paths = ["/v1/builds", "/v1/tokens", "/v1/audit", "/v1/builders", "/v1/targets", "/readyz", "/openapi.json"]
    paths += ["/v1/recipes", "/v1/workers", "/v1/wheels", "/v1/projects"]
    paths += [f"/v1/builds/{build_id}{part}" for build_id in build_ids for part in ("", "/log")]
    return "\n".join(service.http.get(path).text for path in paths)


def logs_of(state_dir: Path) -> str:
    files = [state_dir / "up.log", *(state_dir / "logs").glob("*")]
    return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())


def rows_of(database_url: str) -> str:
    """Give every row of every table of ours as text."""
    with psycopg.connect(database_url) as connection:
        names = connection.execute(b"select tablename from pg_tables where schemaname = 'public'").fetchall()
        tables = [psycopg.sql.SQL("select t::text from {} t").format(psycopg.sql.Identifier(name)) for (name,) in names]
        return "\n".join(str(row[0]) for table in tables for row in connection.execute(table))


def images_of(build: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [build["wheel"]["builder_image"], build["wheel"]["runtime_image"]]


def images_said(service: RunningService, build: Mapping[str, Mapping[str, str]]) -> str:
    commands = [["history", "--no-trunc", image] for image in images_of(build)]
    commands += [["image", "inspect", image] for image in images_of(build)]
    return "\n".join(said_by(service, command) for command in commands)


def found_in_layers(service: RunningService, image: str, planted: Iterable[str]) -> list[str]:
    """Look for texts in every byte of an image's layers."""
    wanted = {text: text.encode() for text in planted}
    found: set[str] = set()
    readable, kept = False, b""
    with subprocess.Popen([service.engine, "save", image], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while block := process.stdout.read(1 << 22):
            text = kept + block
            readable = readable or b"opt/python" in text
            found |= {name for name, secret in wanted.items() if secret in text}
            kept = text[-OVERLAP_BYTES:]
    # Were the layers compressed, nothing could be found in them, and this would not be either.
    assert (process.returncode, readable) == (0, True)
    return sorted(found)


def said_by(service: RunningService, command: list[str]) -> str:
    return subprocess.run([service.engine, *command], capture_output=True, check=True, text=True).stdout
