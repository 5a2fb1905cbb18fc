"""A build backend: compile with Bazel, and zip the library as a wheel."""

import base64
import hashlib
import subprocess
import sysconfig
import zipfile
from pathlib import Path

# Bazel 4 wants these repositories for any C target and would download them. Java's are a package of Debian's; Debian's
# rules_cc is too new for its Bazel (it loads use_cpp_toolchain), so the project brings the few names that are loaded.
WORKSPACE = """
workspace(name = "bazel_native")
local_repository(name = "rules_cc", path = "third_party/rules_cc")
local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
new_local_repository(
    name = "python",
    path = "{headers}",
    build_file = "//:python.BUILD",
)
"""
NAME, VERSION = "bazel_native", "1.0"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    Path("WORKSPACE").write_text(WORKSPACE.format(headers=sysconfig.get_path("include")))
    # No sandbox within the sandbox: that needs user namespaces, which containers without capabilities have not. No
    # server that outlives the command, and its output root where there is room.
    startup = ["--batch", "--output_user_root=/scratch/bazel"]
    options = ["--spawn_strategy=local", "--verbose_failures", "--color=no", "--curses=no"]
    subprocess.run(["bazel", *startup, "build", *options, "//:module.so"], check=True)
    module = NAME + sysconfig.get_config_var("EXT_SUFFIX")
    return write_wheel(Path(wheel_directory), {module: Path("bazel-bin/module.so").read_bytes()})


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
