"""The command line as a whole: help that is quick, errors without tracebacks, exit codes as documented."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.cli_harness import BUILD_ID, build_document
from typer.testing import CliRunner

from wheelyard.cli.app import app, run
from wheelyard.cli.connection import find_connection
from wheelyard.cli.problem import MEANINGS, ExitCode, exit_code_of
from wheelyard.domain.builds.build import Status
from wheelyard.domain.index.wheels import Standing
from wheelyard.errors import DiskFullError, ProjectError, RecipeInvalidError, ServerUnreachableError, UnknownTargetError

HEAVY = ("fastapi", "starlette", "psycopg", "httpx", "pydantic", "requests", "procrastinate")
HEAVY_FOR_COMPLETION = tuple(name for name in HEAVY if name != "pydantic")  # typer itself parses with it


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the caller's own service and settings out of it."""
    for name in ("WHEELYARD_URL", "WHEELYARD_TOKEN", "WHEELYARD_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path))
    return tmp_path


def leave_service(state_dir: Path, url: str = "http://127.0.0.1:8123") -> None:
    document = {"url": url, "index_url": "http://127.0.0.1:3141/wheels/prod", "pid": 1}
    (state_dir / "api.json").write_text(json.dumps(document))
    (state_dir / "token").write_text("wy_first\n")


def test_help_lists_commands_and_exit_codes() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for name in ("up", "build", "logs", "status", "builds", "doctor", "token", "worker", "serve", "demo", "builders"):
        assert f" {name} " in result.output
    for meaning in MEANINGS.values():
        assert meaning in result.output


@pytest.mark.parametrize(
    "command",
    [
        "build",
        "logs",
        "show",
        "builds",
        "cancel",
        "retry",
        "targets",
        "status",
        "workers",
        "doctor",
        "token create",
        "builders list",
    ],
)
def test_command_with_output_offers_json(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "--json" in result.output


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, wheelyard.cli.app; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_answers_no_requests_imports_no_web_framework() -> None:
    code = "import sys, wheelyard.assembly.worker, wheelyard.cli.operate, wheelyard.cli.recipes; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"wheelyard.cli.recipes", "wheelyard.assembly.worker"} <= set(done.stdout.split())
    assert not {"fastapi", "wheelyard.api.services"} & set(done.stdout.split())


def test_doctor_starts_on_a_host_where_no_server_part_does() -> None:
    code = "import sys, wheelyard.cli.operate, wheelyard.assembly.host_checks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "wheelyard.assembly.host_checks" in loaded
    assert not {"psycopg", "procrastinate", "yoyo", "starlette", "uvicorn"} & loaded


CLIENT = frozenset(
    [
        "annotated_doc",
        "annotated_types",
        "anyio",
        "certifi",
        "h11",
        "httpcore",
        "httpx",
        "httpx_sse",
        "idna",
        "packaging",
        "pydantic",
        "pydantic_core",
        "rich",
        "shellingham",
        "sniffio",
        "typer",
        "typing_extensions",
        "typing_inspection",
        "wheelyard",
    ]
)
"""What ``pip install wheelyard`` brings along and looking around takes; all else costs time or is not there."""


class _Service(BaseHTTPRequestHandler):
    """Answers as a service does that has one build."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        document = {
            "/v1/targets": [{"python": "3.13", "platform": "manylinux_2_36_x86_64", "default": True}],
            "/v1/builds": {"builds": [], "next": None},
            f"/v1/builds/{BUILD_ID}": build_document(),
        }[path]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("command", ["targets", "builds", f"show {BUILD_ID}"])
def test_commands_that_look_around_import_the_client_alone(command: str, service_url: str) -> None:
    code = (
        "import sys, wheelyard.cli.app as cli; ended = cli.run(sys.argv[1:]);"
        " names = {name.partition('.')[0] for name, module in sys.modules.items() if module} - sys.stdlib_module_names;"
        " print(ended, *sorted(names), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *command.split(), "--url", service_url],
        capture_output=True,
        text=True,
        check=True,
    )
    ended, *names = done.stderr.splitlines()[-1].split()
    loaded_at_start = {name for name in names if name.startswith(("_", "sitecustomize")) or name == "distutils_hack"}
    assert (ended, set(names) - loaded_at_start - CLIENT) == ("0", set())


def completions(line: str, **environment: str) -> tuple[list[str], list[str]]:
    """Complete a line as bash has it done: what is offered, and which heavy modules that took."""
    code = (
        "import sys, wheelyard.cli.app as cli; cli.run([]);"
        f" print(*(name for name in {HEAVY_FOR_COMPLETION!r} if sys.modules.get(name)), file=sys.stderr)"
    )
    words = line.split(" ")
    bash = {"_WHEELYARD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={"PATH": "/usr/bin:/bin", "WHEELYARD_STATE_DIR": "/nowhere", **bash, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("wheelyard builds --status ", [str(status) for status in Status]),
        ("wheelyard builds --status ru", ["running"]),
        ("wheelyard wheels --standing ", [str(standing) for standing in Standing]),
        ("wheelyard browse requests --state ", ["open", "done", "cancelled"]),
        ("wheelyard prebuild --prefer ", ["upstream", "own"]),
        ("wheelyard token create --scope pub", ["publish"]),
        ("wheelyard build lxml --python ", ["3.13"]),
        ("wheelyard build lxml --platform many", ["manylinux_2_36_x86_64"]),
        ("wheelyard build lxml --platform mac", []),
        ("wheelyard prebuild --python ", ["3.13"]),
        ("wheelyard prebuild --python 3.13 --python ", []),
        ("wheelyard recipe explain lxml --platform ", ["manylinux_2_36_x86_64"]),
        ("wheelyard builders build --python ", ["3.13"]),
    ],
)
def test_shell_completes_values_without_importing_anything_heavy(
    line: str, offered: list[str], service_url: str
) -> None:
    assert completions(line, WHEELYARD_URL=service_url) == (offered, [])


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "notaurl", ""])
def test_completion_is_silent_where_no_service_answers(url: str) -> None:
    assert completions("wheelyard build lxml --python ", WHEELYARD_URL=url) == ([], [])


def test_completion_asks_the_address_of_the_line(service_url: str) -> None:
    line = f"wheelyard build lxml --url {service_url} --python "
    assert completions(line, WHEELYARD_URL="http://127.0.0.1:9") == (["3.13"], [])


def test_command_of_the_service_without_it_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("wheelyard.cli.operate", "wheelyard.settings", "pydantic_settings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    assert run(["doctor"]) == ExitCode.OPERATOR
    shown = capsys.readouterr().err
    assert shown.startswith("error[service-not-installed]: ")
    assert "pip install 'wheelyard[service]'" in shown


@pytest.mark.parametrize("url", ["notaurl", "localhost:8123", "ftp://host", "http://", ""])
def test_what_is_no_address_is_a_fault_of_the_command_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["builds", "--url", url]) == ExitCode.USAGE
    assert "is not a URL" in capsys.readouterr().err


def test_missing_service_is_an_error_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["builds"]) == ExitCode.OPERATOR
    shown = capsys.readouterr().err
    assert shown.startswith("error[server-unreachable]: ")
    assert "hint: Start one with 'wheelyard up'" in shown


def test_error_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    run(["builds", "--json"])
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["code"], error["exit_code"]) == ("server-unreachable", 4)


def test_unusable_settings_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WHEELYARD_PORT", "many")
    assert run(["doctor"]) == ExitCode.OPERATOR
    assert "WHEELYARD_PORT" in capsys.readouterr().err


def test_python_of_an_emulated_architecture_is_not_optimised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wheelyard.cli.builders.platform.machine", lambda: "x86_64")
    given = ["builders", "build", "bookworm", "--python", "3.13", "--optimised", "--architecture", "aarch64"]
    assert run(given) == ExitCode.CALLER
    shown = " ".join(capsys.readouterr().err.split())
    assert "There is no Python to optimise '3.13' on aarch64" in shown


@pytest.mark.parametrize("arguments", [["nope"], ["build"], ["builds", "--status", "nope"], ["builds", "--limit", "0"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(arguments) == ExitCode.USAGE


def test_errors_inside_a_group_of_tasks_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = ExceptionGroup("tasks", [DiskFullError(path="/var", free_bytes=1 << 20, floor_bytes=1 << 30)])
    monkeypatch.setattr("wheelyard.cli.client.find_connection", _raiser(group))
    assert run(["builds"]) == ExitCode.OPERATOR
    assert "error[disk-full]" in capsys.readouterr().err


def test_fault_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.cli.client.find_connection", _raiser(ExceptionGroup("tasks", [KeyError("bug")])))
    with pytest.raises(ExceptionGroup):
        run(["builds"])


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.cli.client.find_connection", _raiser(KeyboardInterrupt()))
    assert run(["builds"]) == ExitCode.INTERRUPTED


def test_first_token_goes_to_the_service_of_its_state_directory(state_dir: Path) -> None:
    leave_service(state_dir)
    connection = find_connection(None)
    assert (connection.url, connection.token) == ("http://127.0.0.1:8123", "wy_first")


def test_first_token_goes_nowhere_else(state_dir: Path) -> None:
    leave_service(state_dir)
    assert find_connection("https://elsewhere.example").token is None


def test_environment_wins_over_the_state_directory(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_service(state_dir)
    monkeypatch.setenv("WHEELYARD_URL", "https://wheels.example")
    monkeypatch.setenv("WHEELYARD_TOKEN", "wy_mine")
    connection = find_connection(None)
    assert (connection.url, connection.token) == ("https://wheels.example", "wy_mine")


def test_broken_service_file_counts_as_none(state_dir: Path) -> None:
    (state_dir / "api.json").write_text("{")
    with pytest.raises(ServerUnreachableError):
        find_connection(None)


def test_exit_code_goes_by_who_can_act() -> None:
    assert exit_code_of(UnknownTargetError) is ExitCode.CALLER
    assert exit_code_of(RecipeInvalidError) is ExitCode.RECIPE
    assert exit_code_of(ProjectError) is ExitCode.BUILD_FAILED
    assert exit_code_of(DiskFullError) is ExitCode.OPERATOR
    assert set(MEANINGS) == set(ExitCode)


def _raiser(error: BaseException) -> Callable[[object], None]:
    def fail(_: object) -> None:
        raise error

    return fail
