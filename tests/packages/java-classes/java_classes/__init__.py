"""A pure module that tells for which Java its class file was compiled."""

from pathlib import Path

CLASS = Path(__file__).with_name("Answer.class").read_bytes()
# The Java Virtual Machine Specification, 4.1: a magic number, then two bytes each of minor and major version; 45 was 1.1.
MAGIC, JAVA = CLASS[:4].hex(), int.from_bytes(CLASS[6:8], "big") - 44
