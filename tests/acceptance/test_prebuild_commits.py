"""Requirements of a repository and of an index: built for real, and installed by their hashes."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Final

from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.running_service import Launch, running
from tests.acceptance.test_uploads import BOOKWORM_ALONE, pack
from tests.acceptance.upstream import QUICK, VERSION, Upstream, make_sdist
from tests.integration.file_host import file_host
from tests.integration.git_host import git_host
from tests.integration.git_repository import Repository

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

_BUILD_SDIST: Final = f"""

def build_sdist(directory, config_settings=None):
    import tarfile
    with tarfile.open(os.path.join(directory, "forked-{VERSION}.tar.gz"), "w:gz") as archive:
        for name in ("pyproject.toml", "backend.py", "PKG-INFO"):
            archive.add(name, "forked-{VERSION}/" + name)
    return "forked-{VERSION}.tar.gz"
"""


def _tree() -> dict[str, bytes]:
    """Return a project that states its name and version, and builds with nothing but its own backend."""
    with tarfile.open(fileobj=io.BytesIO(make_sdist("forked", QUICK, needs=("plain",)))) as archive:
        members = {one.name.partition("/")[2]: archive.extractfile(one) for one in archive}
        files = {name: stream.read() for name, stream in members.items() if stream is not None}
    files["backend.py"] += _BUILD_SDIST.encode()
    files["pyproject.toml"] += (
        f'\n[project]\nname = "forked"\nversion = "{VERSION}"\ndependencies = ["plain"]\n'.encode()
    )
    return files


def test_repository_becomes_a_pin_that_pip_installs_from_our_index_only(
    spare_state_dir: Path, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.add("plain")
    upstream.add("listed")
    commit = Repository(tmp_path / "served", "forked.git").commit(_tree(), tag=f"v{VERSION}")
    other = make_sdist("addressed", QUICK, needs=("plain",))
    digest = hashlib.sha256(other).hexdigest()
    wheel = pack(tmp_path / "brought", "wheeled", b"")
    with git_host(tmp_path / "served") as host, file_host() as files:
        files.files |= {f"/a/addressed-{VERSION}.tar.gz": other, f"/a/{wheel.name}": wheel.read_bytes()}
        addressed = (
            f"addressed @ {files.url}/a/addressed-{VERSION}.tar.gz#sha256={digest}",
            f"wheeled @ {files.url}/a/{wheel.name}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}",
        )
        requirements = tmp_path / "requirements.txt"
        lines = (
            f"forked @ git+{host}/forked.git@v{VERSION}",
            "listed",
            *addressed,
            "other @ git+https://elsewhere.example/x",
        )
        requirements.write_text("\n".join([*lines, ""]))
        hosts = {"GIT_HOSTS": f'["{host}"]', "FILE_HOSTS": f'["{files.url}/a"]'}
        catalogue = tmp_path / "catalogue.toml"
        catalogue.write_text(BOOKWORM_ALONE)
        catalogue.chmod(0o644)
        tmp_path.chmod(0o755)
        settings = {"UPSTREAM_INDEX_URL": upstream.url, "CATALOGUE": str(catalogue), **hosts}
        with running(Launch(state_dir=spare_state_dir, settings=settings)) as service:
            locked = tmp_path / "locked.txt"
            wanted = ("prebuild", "-r", str(requirements), "--python", "3.13", "--lock-out", str(locked))
            refused = service.cli(*wanted)
            assert refused.returncode == 1, refused.stdout + refused.stderr
            assert 'WHEELYARD_GIT_HOSTS=["elsewhere.example"]' in refused.stderr
            requirements.write_text("\n".join([*lines[:-1], ""]))
            done = service.cli(*wanted)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "5 present; no builds" in done.stderr, "the first request has built them"
            version = f"{VERSION}.dev0+g{commit[:12]}"
            assert f"(commit {commit[:12]}, v{VERSION} of {host}/forked.git)" in " ".join(done.stdout.split())
            text = locked.read_text()
            assert f"\nforked=={version} \\\n    --hash=sha256:" in text
            assert "git+" not in text
            assert f"\naddressed=={VERSION}.dev0+f{digest[:12]} \\\n    --hash=sha256:" in text
            assert f"\nwheeled=={VERSION}.dev0+f" in text
            assert files.url not in text
            pip = pip_wheel(Settings(state_dir=service.state_dir))
            install = (
                f"python {pip.name}/pip install --quiet --no-cache-dir --disable-pip-version-check --target site "
                f"--only-binary :all: --require-hashes -r locked.txt"
            )
            code = "import addressed, forked, listed, plain, wheeled; assert forked.ANSWER == 42; print('imported')"
            ended = run_in_runtime(
                service,
                runtime_image(service, "bookworm"),
                f'{install} && PYTHONPATH=site python -c "{code}"',
                {pip.name: pip, "locked.txt": locked.read_bytes()},
            )
            assert (ended.returncode, ended.stdout) == (0, "imported\n"), ended.stderr
