"""Architectures: their names elsewhere, and which of them a machine of another one can emulate."""

from typing import Final

DEBIAN_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Debian's names of the architectures."""
EMULATED: Final = {"aarch64": "x86_64"}
"""The architectures that another machine can build for by emulation, each with that machine."""
TRIPLETS: Final = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
"""GNU's names of the architectures (https://wiki.debian.org/Multiarch/Tuples)."""
