"""The service's own log gets in nobody's way."""

import subprocess
import sys
from pathlib import Path

SERVICE = Path(__file__).parents[2] / "service"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from wheelyard.logs import configure_logs, get_logger
configure_logs(log_format=sys.argv[2], level="info")
for _ in range(1000):
    get_logger("here").error("something-happened", reason="x" * 100)
print("it went on")
"""


def test_log_on_a_full_disk_ends_nothing() -> None:
    for log_format in ("json", "text"):
        with Path("/dev/full").open("w") as full:  # every write to it fails like one on a full disk
            command = [sys.executable, "-c", PROGRAM, str(SERVICE), log_format]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False, text=True)
        assert done.stdout == "it went on\n"
