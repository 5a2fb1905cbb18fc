"""A build backend: compile with javac, and zip the class file beside the module that reads it."""

import base64
import hashlib
import subprocess
import zipfile
from pathlib import Path

NAME, VERSION = "java_classes", "1.0"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    subprocess.run(["javac", "-d", NAME, "Answer.java"], check=True)
    subprocess.run(["java", "-cp", NAME, "Answer"], check=True)
    members = (f"{NAME}/__init__.py", f"{NAME}/Answer.class")
    return write_wheel(Path(wheel_directory), {member: Path(member).read_bytes() for member in members})


def write_wheel(folder, files):
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={digest_of(data)},{len(data)}\n" for name, data in files.items())
    wheel = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            bundle.writestr(zipfile.ZipInfo(name), data)
    return wheel


def digest_of(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
