"""What a build began to make, from the lines of its output."""

import time

import pytest

from wheelyard.domain.untrusted.tried_modules import MAX_LINE_BYTES, read_tried_module


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"building 'yaml._yaml' extension", "yaml._yaml"),
        (b"INFO:root:building 'demo/_c' extension\r", "demo._c"),
        (b'building extension "demo._c" failed: command gcc failed', "demo._c"),
        (b"Build optional Rust extension demo._rs failed.", "demo._rs"),
        (b"skipping 'demo._c' extension (up-to-date)", None),
        (b"building 'demo-c' extension", None),
        (b"building '' extension", None),
        (b"WARNING: The C extension could not be compiled", None),
        (b"building 'demo._c' extension" + b" " * MAX_LINE_BYTES, None),
    ],
)
def test_tried_module_is_read(line: bytes, name: str | None) -> None:
    assert read_tried_module(line) == name


def test_hostile_line_costs_little() -> None:
    lines = [b"building '" * 90 + b" extension", b"building '" + b"a" * 900 + b" extension"]
    begun = time.process_time()
    for line in lines * 200:
        read_tried_module(line)
    assert time.process_time() - begun < 1
