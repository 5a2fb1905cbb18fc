"""The build backend of every hostile project: run the attack, then make the wheel as any backend would.

What the attack module calls MEMBERS goes into the wheel, after RENAME if it has one; it may also name another WHEEL.
"""

import base64
import hashlib
import zipfile
from pathlib import Path

INFO = "demo-1.0.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import attack

    getattr(attack, "attack", lambda: None)()
    named = getattr(attack, "wheel", lambda folder: None)(Path(wheel_directory))
    return named or write_wheel(Path(wheel_directory), getattr(attack, "MEMBERS", {}))


def write_wheel(folder, members):
    files = {
        "demo.py": b"",
        **members,
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={digest_of(data)},{len(data)}\n" for name, data in files.items())
    wheel = "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / wheel, "w") as bundle:
        for name, data in {**files, f"{INFO}/RECORD": f"{record}{INFO}/RECORD,,\n".encode()}.items():
            bundle.writestr(zipfile.ZipInfo(name), data)
    return wheel


def digest_of(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
