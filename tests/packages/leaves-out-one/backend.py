"""A build backend: compile one of its two modules, and zip it as a wheel."""

import base64
import hashlib
import subprocess
import sysconfig
import zipfile
from pathlib import Path

NAME, VERSION = "leaves_out_one", "1.0"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    module = NAME + sysconfig.get_config_var("EXT_SUFFIX")
    headers = "-I" + sysconfig.get_path("include")
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", headers, "-o", module, "src/leaves_out_one.c"], check=True)
    return write_wheel(Path(wheel_directory), {module: Path(module).read_bytes()})


def write_wheel(folder, files):
    python = "cp" + sysconfig.get_python_version().replace(".", "")
    tag = f"{python}-{python}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{name},sha256={digest_of(data)},{len(data)}\n" for name, data in files.items())
    wheel = f"{NAME}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(folder / wheel, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            bundle.writestr(zipfile.ZipInfo(name), data)
    return wheel


def digest_of(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
