"""Compare a look-up in an archive's index with grep over the lists of files that it was made of.

It prints the medians of the look-ups, without and with the opening of the index, and of grep, with their ratios.

    python -m benchmarks.archive_lookup FILES INDEX [--names 200]

FILES is what apt keeps of ``Contents``, decompressed: ``apt-helper cat-file /var/lib/apt/lists/*Contents*``. INDEX is
``*.index`` of the state directory's ``cache/archives``, which ``wheelyard which fftw3.h`` makes.
"""

import argparse
import mmap
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.catalogue.archive_index import ArchiveIndex
from wheelyard.domain.catalogue.package_ranking import rank_packages

HEADERS = (
    "fftw3.h",
    "openssl/ssl.h",
    "sql.h",
    "libxml/parser.h",
    "config.h",
    "nothing-of-this-name.h",
    "boost/python.hpp",
)


def median_of(act: Callable[[str], object], names: Iterable[str]) -> float:
    """Return the median of an action's seconds over names."""
    taken = []
    for name in names:
        began = time.perf_counter()
        act(name)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def open_index(file: Path) -> ArchiveIndex:
    """Return the index in a file."""
    with file.open("rb") as stream:
        return ArchiveIndex(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--names", type=int, default=200, help="how many look-ups of each name")
    given = parser.parse_args()
    index = open_index(given.index)

    def look_up(name: str, *, among: ArchiveIndex = index) -> object:
        return rank_packages(among, WantedFile(kind=FileKind.HEADER, name=name))

    def search(name: str) -> object:
        command = ["grep", "-cE", f"^usr/(include|lib)/.*{name}[[:space:]]", given.files]
        return subprocess.run(command, check=False, capture_output=True, env={**os.environ, "LC_ALL": "C"})

    warm = median_of(look_up, HEADERS * given.names)
    cold = median_of(lambda name: look_up(name, among=open_index(given.index)), HEADERS * given.names)
    slow = median_of(search, HEADERS)
    print(f"index: {warm * 1e3:.3f} ms a look-up, {cold * 1e3:.3f} ms with its opening")
    print(f"grep: {slow * 1e3:.0f} ms, {slow / warm:.0f} times as long, {slow / cold:.0f} times with the opening")
    for name in HEADERS:
        print(f"  {name}: {median_of(look_up, [name] * given.names) * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
