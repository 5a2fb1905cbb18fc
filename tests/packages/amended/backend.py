"""A backend in the tree that puts into the wheel what its recipe gave to the build."""

import json
import os
from importlib.metadata import distributions
from pathlib import Path

from setuptools import build_meta


def get_requires_for_build_wheel(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    facts = {
        "config-settings": config_settings,
        "env": os.environ.get("AMENDED"),
        "installed": {found.name.replace("_", "-").lower(): found.version for found in distributions()},
        "placed": sorted(str(path) for path in Path("vendor").rglob("*") if path.is_file()),
        "before-build": Path("from-the-hook.txt").read_text(encoding="utf-8"),
        "cpu": _read("cpu.max", "cpu/cpu.cfs_quota_us"),
    }
    Path("amended/facts.json").write_text(json.dumps(facts, sort_keys=True), encoding="utf-8")
    return build_meta.build_wheel(wheel_directory)


def _read(*names):
    """Read what the kernel says of this container's limit, by whichever version of cgroups it has."""
    files = (Path("/sys/fs/cgroup", name) for name in names)
    return next((file.read_text(encoding="ascii").split()[0] for file in files if file.exists()), None)
