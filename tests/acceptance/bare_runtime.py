"""The bare runtime images, as an application's machine: nothing but Python, and what a test brings along."""

import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.running_service import Completed, RunningService

from wheelyard.assembly.parts import Parts
from wheelyard.settings import Settings

FOLDER = "/tmp/application"  # noqa: S108  in the container


def runtime_image(service: RunningService, suite: str, python: str = "3.13") -> str:
    """Return the id of a suite's runtime image, made if it is not there."""
    done = service.cli("builders", "build", suite, "--python", python, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["runtime"])


def run_in_runtime(  # noqa: PLR0913  (what a container is made of)
    service: RunningService,
    image: str,
    script: str,
    files: Mapping[str, bytes | Path],
    *,
    network: str = "host",
    user: str | None = None,
) -> Completed:
    """Run a shell script in a fresh container, with files; unless told otherwise, it reaches this host's loopback."""
    engine = Parts(Settings(state_dir=service.state_dir)).engine
    name = f"wheelyard-tests-{uuid.uuid4().hex[:12]}"
    options = [f"--network={network}", *([f"--user={user}"] if user else []), *engine.ulimit_args]
    start = ["run", "--rm", "--interactive", "--name", name, *options, image]
    unpack = f"mkdir {FOLDER} && cd {FOLDER} && export HOME={FOLDER} && tar xf - && "
    done = subprocess.run(
        [engine.program, *start, "sh", "-euc", unpack + script],
        input=_packed(files),
        capture_output=True,
        check=False,
        timeout=600,
    )
    return Completed(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _packed(files: Mapping[str, bytes | Path]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()
