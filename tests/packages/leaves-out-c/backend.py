"""A build backend in the tree that puts its Python modules into a pure wheel, and compiles nothing."""

import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = tomllib.loads(Path("pyproject.toml").read_text())["project"]["name"].replace("-", "_")
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": b"answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={digest_of(data)},{len(data)}\n" for path, data in files.items())
    wheel = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            bundle.writestr(zipfile.ZipInfo(path), data)
    return wheel


def digest_of(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
