"""Examples in the OpenAPI document."""

from typing import Any, Final

_ID: Final = "0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11"
_PATH: Final = f"/v1/builds/{_ID}"
_SHA256: Final = "7d2d4ee8a0f6b1d9c1b7d4a4fbc2a1d4f0b7b6f9a1ce6c1f2f0c2d0d6f5b3a21"
_EXTENSION: Final = "yaml/_yaml.cpython-313-x86_64-linux-gnu.so"

WHEEL: Final[dict[str, Any]] = {
    "filename": "pyyaml-6.0.3-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "sha256": _SHA256,
    "size_bytes": 801626,
    "origin": "built",
    "tag": "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "tag_before_repair": "cp313-cp313-linux_x86_64",
    "policy": "manylinux_2_17_x86_64",
    "policy_reason": {
        "sentence": (
            "manylinux_2_17_x86_64 because yaml/_yaml.cpython-313-x86_64-linux-gnu.so needs memcpy@GLIBC_2.14 of "
            "libc.so.6; with it compiled against a glibc older than 2.14 it would be manylinux_2_5_x86_64."
        ),
        "policy": "manylinux_2_17_x86_64",
        "needs": [
            {
                "file": _EXTENSION,
                "grafted": None,
                "library": "libc.so.6",
                "version": "GLIBC_2.14",
                "symbols": ["memcpy"],
                "more_symbols": 0,
                "chain": [_EXTENSION],
            }
        ],
        "more_needs": 0,
        "lower": "manylinux_2_5_x86_64",
    },
    "is_pure": False,
    "extensions": ["yaml._yaml"],
    "grafted": [
        {
            "soname": "libyaml-0.so.2",
            "path": "pyyaml.libs/libyaml-0-7d2d4ee8.so.2.0.9",
            "sha256": _SHA256,
            "package": "libyaml-0-2",
            "package_version": "0.2.5-1",
            "source_package": "libyaml 0.2.5-1",
            "origin": "/usr/lib/x86_64-linux-gnu/libyaml-0.so.2.0.9",
            "origin_sha256": _SHA256,
            "needed_by": [_EXTENSION],
            "chain": [_EXTENSION, "libyaml-0.so.2"],
            "beyond_policy": False,
        }
    ],
    "build_requirements": [{"filename": "setuptools-80.9.0-py3-none-any.whl", "sha256": _SHA256}],
    "imported_modules": ["_yaml", "yaml", "yaml._yaml"],
    "warnings": [],
    "host_libraries": [],
    "changes": [],
    "proofs": [
        {
            "suite": "bookworm",
            "python": "3.13",
            "platform": "manylinux_2_36_x86_64",
            "imported_modules": ["_yaml", "yaml", "yaml._yaml"],
            "runtime_image": f"sha256:{_SHA256}",
            "threading": [],
            "free_threading": None,
        }
    ],
    "components": [
        {
            "kind": "grafted",
            "name": "libyaml-0-2",
            "version": "0.2.5-1",
            "purl": "pkg:deb/debian/libyaml-0-2@0.2.5-1?arch=amd64&distro=bookworm",
            "license": "MIT",
            "license_files": ["debian/libyaml-0-2_0.2.5-1/copyright"],
            "source": "libyaml",
            "source_version": "0.2.5-1",
            "sha256": None,
            "files": ["pyyaml.libs/libyaml-0-7d2d4ee8.so.2.0.9"],
        }
    ],
    "sbom": "pyyaml-6.0.3.dist-info/sboms/wheelyard.cdx.json",
    "builder_image": f"sha256:{_SHA256}",
    "runtime_image": f"sha256:{_SHA256}",
    "level": "prod",
    "url": "http://127.0.0.1:8123/files/pyyaml-6.0.3-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "index_url": "http://127.0.0.1:8123/simple/",
    "install": "pip install --only-binary :all: --index-url http://127.0.0.1:8123/simple/ pyyaml==6.0.3",
}

QUEUED_BUILD: Final[dict[str, Any]] = {
    "id": _ID,
    "url": _PATH,
    "log_url": f"{_PATH}/log",
    "requirement": "pyyaml>=6,<7",
    "project": "pyyaml",
    "version": "6.0.3",
    "python": "3.13",
    "platform": "manylinux_2_36_x86_64",
    "builder": "bookworm",
    "sdist": {
        "filename": "pyyaml-6.0.3.tar.gz",
        "url": "https://index.example/files/pyyaml-6.0.3.tar.gz",
        "sha256": _SHA256,
        "size_bytes": 130960,
    },
    "source": None,
    "local_source": None,
    "file_source": None,
    "recipe_digest": _SHA256,
    "key": _SHA256,
    "status": "queued",
    "stage": None,
    "priority": "interactive",
    "not_before": None,
    "waits_for": [],
    "cancel_requested": False,
    "created_at": "2026-11-23T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "attempts": [],
    "failure": None,
    "wheel": None,
}

SUCCEEDED_BUILD: Final[dict[str, Any]] = {
    **QUEUED_BUILD,
    "status": "succeeded",
    "started_at": "2026-11-23T12:00:00.010Z",
    "finished_at": "2026-11-23T12:00:21.500Z",
    "attempts": [
        {
            "number": 1,
            "worker": "builder-1/4711",
            "status": "succeeded",
            "started_at": "2026-11-23T12:00:00.010Z",
            "finished_at": "2026-11-23T12:00:21.500Z",
            "timings": [{"stage": "build", "started_at": "2026-11-23T12:00:02Z", "seconds": 14.2}],
            "failure": None,
            "log_size_bytes": 18213,
            "log_truncated": False,
            "healing": None,
        }
    ],
    "wheel": WHEEL,
}

FAILURE: Final[dict[str, Any]] = {
    "stage": "build",
    "code": "build-failed",
    "summary": "pyyaml 6.0.3 did not build: the header yaml.h is missing.",
    "hint": "Add libyaml-dev to the recipe's apt list.",
    "retryable": False,
    "log_excerpt": "ext/_yaml.h:2:10: fatal error: yaml.h: No such file or directory",
    "findings": [
        {
            "kind": "header-missing",
            "name": "yaml.h",
            "bound": "",
            "found": "",
            "line": "ext/_yaml.h:2:10: fatal error: yaml.h: No such file or directory",
            "cause": "the C header yaml.h is missing",
            "remedy": 'Put into the recipe: apt = ["libyaml-dev"].',
        }
    ],
    "changes": [],
    "proofs": [],
}

FAILED_BUILD: Final[dict[str, Any]] = {
    **SUCCEEDED_BUILD,
    "status": "failed",
    "attempts": [{**SUCCEEDED_BUILD["attempts"][0], "status": "failed", "failure": FAILURE}],
    "failure": FAILURE,
    "wheel": None,
}

_CHANGE: Final[dict[str, Any]] = {
    "package": "libssl3",
    "from_version": "3.0.17-1~deb12u2",
    "to_version": "3.0.17-1~deb12u3",
    "is_security": True,
}

BUILDERS: Final[list[dict[str, Any]]] = [
    {
        "suite": "bookworm",
        "kind": "mmdebstrap",
        "policy": "manylinux_2_36",
        "architectures": ["x86_64"],
        "pythons": ["3.13", "3.11"],
        "warning": "",
        "images": [
            {
                "id": f"sha256:{_SHA256}",
                "name": "wheelyard/runtime-bookworm-3.13:3c8a5f0e9b1d",
                "role": "runtime",
                "python": "3.13.15",
                "size_bytes": 117_000_000,
                "created": "2026-11-24T00:45:40Z",
                "revision": "20261124T004500",
                "current": True,
                "added": "",
                "host": "builder-1",
                "stands_in": "",
                "optimised": "3.13",
            }
        ],
        "pending": {"checked": "2026-11-24T00:46:10Z", "changes": []},
        "refreshes": [
            {
                "at": "2026-11-24T00:46:00Z",
                "host": "builder-1",
                "images": [
                    {
                        "image": "wheelyard/runtime-bookworm-3.13:3c8a5f0e9b1d",
                        "refreshed": True,
                        "changes": [_CHANGE],
                        "pending": [_CHANGE],
                        "problem": "",
                    }
                ],
            }
        ],
    }
]


PACKAGES: Final = {
    "suite": "bookworm",
    "architecture": "x86_64",
    "kind": "header",
    "name": "fftw3.h",
    "packages": [
        {
            "package": "libfftw3-dev",
            "version": "3.3.10-1",
            "path": "usr/include/fftw3.h",
            "installed_bytes": 5_484_544,
            "reason": "where tools look by themselves",
        }
    ],
}


BY_NAME: Final[dict[str, dict[str, Any]]] = {
    "build-queued": {"value": QUEUED_BUILD},
    "build-succeeded": {"value": SUCCEEDED_BUILD},
    "build-failed": {"value": FAILED_BUILD},
    "submitted-new": {"value": {**QUEUED_BUILD, "joined": False}},
    "submitted-joined": {"value": {**QUEUED_BUILD, "joined": True}},
    "submitted-succeeded": {"value": {**SUCCEEDED_BUILD, "joined": True}},
    "builders": {"value": BUILDERS},
    "packages": {"value": PACKAGES},
}
"""Examples for the document's components: FastAPI drops null values from the examples of a route
(https://github.com/fastapi/fastapi/issues/5559).
"""


def shown(*names: str) -> dict[str, Any]:
    """Return references to examples for a response."""
    references = {name: {"$ref": f"#/components/examples/{name}"} for name in names}
    return {"content": {"application/json": {"examples": references}}}
