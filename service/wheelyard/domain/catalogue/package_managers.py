"""Package managers of builder images: commands to install, list and update packages, and parsers of their output.

There is one entry for each manager that a catalogue may name.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.catalogue.packages import PackageChange, parse_upgrades
from wheelyard.errors import NotFoundError


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageManager:
    """One package manager, as shell scripts."""

    name: str
    """``apt``, ``dnf`` or ``apk``."""
    package_url: str
    """Type of its packages' URLs: https://github.com/package-url/purl-spec."""
    name_form: re.Pattern[str]
    """The form of its package names; nothing else reaches a shell."""
    install: str
    """Installs ``{packages}`` and leaves no lists or caches behind."""
    hold: str = ""
    """Keeps ``{packages}`` unchanged in upgrades; only apt can install one from another release."""
    upgrade: str
    """Upgrades all packages and leaves no lists or caches behind."""
    list_packages: str
    """Prints name, version and architecture of each package, separated by tabs."""
    list_updates: str
    """Lists the archive's updates for the image."""
    parse_updates: Callable[[str], tuple[PackageChange, ...]]
    """Parses the output of ``list_updates``."""
    add_user: str
    """Adds the user that builds run as."""
    update_lists: str
    """Fetches the archive's lists with those of its packages' files, and checks their signatures and hashes."""
    list_archive_packages: str
    """Prints name, version, installed bytes, section and dependencies of each package of the archive.

    They are separated by tabs, and the dependencies by commas.
    """
    list_archive_sources: str = "echo"
    """Prints name, version, address of the folder, and files of each source package, separated by tabs.

    A file is its sha256, size and name, separated by colons; files are separated by commas. Default: an empty line.
    """
    list_archive_files: str
    """Prints the files that builds look for: path, blanks, and the packages that hold it, separated by commas."""

    @property
    def read_archive(self) -> str:
        """Return the script that prints packages, files and source packages, with lines of two hyphens, as gzip."""
        parts = (self.list_archive_packages, self.list_archive_files, self.list_archive_sources)
        listed = f"{{ {'; echo --; '.join(parts)}; }}"
        return f"{{ {self.update_lists}; }} >/dev/null; {listed} | gzip -1"

    def write_install(self, packages: Sequence[str]) -> str:
        """Return the command that installs packages; one with a release after a slash is held at it."""
        command = self.install.format(packages=" ".join(packages))
        chosen = [name for name, slash, _ in (one.partition("/") for one in packages) if slash]
        return f"{command} && {self.hold.format(packages=' '.join(chosen))}" if chosen else command

    def reject_names(self, packages: Iterable[str]) -> list[str]:
        """Return invalid package names; apt-get reads a name that ends in a hyphen as "remove" (apt-get(8))."""
        return [name for name in packages if self.name_form.fullmatch(name) is None]


def find_manager(name: str) -> PackageManager:
    """Return a manager by its name; raise NotFoundError."""
    try:
        return MANAGERS[name]
    except KeyError:
        raise NotFoundError(kind="package manager", name=name) from None


# "openssl-libs.x86_64    1:3.2.2-6.el9_5.1    baseos", dnf(8), check-update: one line a package, no old version.
_DNF_UPDATE: Final = re.compile(
    r"^(?P<name>[^\s.]\S*)\.[a-z0-9_]+\s+(?P<new>[0-9]\S*)\s+(?P<origin>\S+)$", re.MULTILINE
)
# "libssl3-3.3.1-r0    < 3.3.2-r1", apk(8), version.
_APK_UPDATE: Final = re.compile(r"^(?P<name>\S+)-(?P<old>[0-9][^\s-]*-r[0-9]+)\s+<\s+(?P<new>\S+)", re.MULTILINE)


def _parse_dnf(text: str) -> tuple[PackageChange, ...]:
    """Parse dnf's output: the list of installed packages before the updates has the old versions."""
    listed, _, updates = text.partition("\n\n")
    old = dict(line.split("\t")[:2] for line in listed.splitlines() if line.count("\t") > 1)
    security = set(re.findall(r"^security (\S+)$", updates, re.MULTILINE))
    found = (match.groupdict() for match in _DNF_UPDATE.finditer(updates))
    return tuple(sorted(_dnf_changes(found, old, security)))


def _dnf_changes(
    found: Iterable[dict[str, str]], old: dict[str, str], security: Iterable[str]
) -> Iterator[PackageChange]:
    names = set(security)
    for one in found:
        yield PackageChange(
            package=one["name"],
            from_version=old.get(one["name"], ""),
            to_version=one["new"],
            is_security=one["name"] in names,
        )


def _parse_apk(text: str) -> tuple[PackageChange, ...]:
    """Parse apk's output; Alpine has no separate archive of security updates."""
    found = (match.groupdict() for match in _APK_UPDATE.finditer(text))
    changes = (PackageChange(package=one["name"], from_version=one["old"], to_version=one["new"]) for one in found)
    return tuple(sorted(changes))


_APT_CLEAN: Final = "apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log"
_RPMS: Final = r"rpm --query --all --queryformat '%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\n'"
# The number may already be taken, as in Ubuntu's images: then that user is used.
_NOT_THERE: Final = "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd"
CONTAINER_USERS: Final = range(60706, 61184)
"""One user for each running container; builders/Dockerfile adds them and explains the range."""
_ADD_CONTAINER_USERS: Final = (
    f"seq {CONTAINER_USERS[0]} {CONTAINER_USERS[-1]}"
    " | sed 's|.*|wheelyard:x:&:&::/scratch/home:/bin/sh|' >> /etc/passwd"
    f" && seq {CONTAINER_USERS[0]} {CONTAINER_USERS[-1]} | sed 's|.*|wheelyard:x:&:|' >> /etc/group"
)
_USERADD: Final = (
    f"{{ {_NOT_THERE} || {{ groupadd --gid 1000 wheelyard; "
    f"useradd --uid 1000 --gid 1000 --create-home --shell /bin/sh wheelyard; }}; }} && {_ADD_CONTAINER_USERS}"
)

# What builds look for, in lines of a path, blanks and the packages that hold it.
_WANTED_FILES: Final = (
    "^("
    "usr/include/"
    "|usr/lib/[^ ]*/include/[^ ]*[.](h|hh|hpp|hxx)[[:space:]]"
    "|(usr/)?s?bin/[^/ ]+[[:space:]]"
    "|(usr/)?lib(32|64)?/([^/ ]+/){0,4}lib[^/ ]*[.]so[.0-9]*[[:space:]]"
    "|usr/(lib(64)?|share)/[^ ]*[.](pc|cmake)[[:space:]]"
    "|usr/share/java/[^ ]*[.]jar[[:space:]]"
    "|usr/(lib(64)?|share)/[^ ]*[.](gir|typelib)[[:space:]]"
    ")"
)
_UNWANTED_FILES: Final = "^usr/(lib/(debug|gcc|gcc-cross|python[0-9.]*|haskell-packages|R)|include/(oce|ATen))/"
_KEEP_WANTED: Final = f"LC_ALL=C grep -E '{_WANTED_FILES}' | LC_ALL=C grep -vE '{_UNWANTED_FILES}'"

# As apt-file configures them: apt then fetches the lists of files with the others, and checks them against the signed
# Release file: https://salsa.debian.org/apt-team/apt-file/-/blob/main/50apt-file.conf
_CONTENTS: Final = """\
Acquire::IndexTargets::deb {
  Contents-deb {
    MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; flatMetaKey "Contents-$(ARCHITECTURE)";
    ShortDescription "Contents-$(ARCHITECTURE)"; KeepCompressed "true";
    Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents"; flatDescription "$(RELEASE) Contents";
  };
  Sources-deb {
    MetaKey "$(COMPONENT)/source/Sources"; flatMetaKey "Sources"; ShortDescription "Sources"; KeepCompressed "true";
    Description "$(RELEASE)/$(COMPONENT) Sources"; flatDescription "$(RELEASE) Sources";
  };
  Contents-deb-legacy {
    MetaKey "Contents-$(ARCHITECTURE)"; Fallback-Of "Contents-deb"; Identifier "Contents-deb";
    ShortDescription "Contents-$(ARCHITECTURE)"; KeepCompressed "true";
    Description "$(RELEASE) $(ARCHITECTURE) Contents";
  };
};
"""
_APT_PACKAGES: Final = r"""apt-cache dumpavail | awk '
function show() {
  if (name != "") printf "%s\t%s\t%.0f\t%s\t%s\n", name, version, size * 1024, section, needs
  name = version = section = needs = ""; size = 0
}
/^Package: / { name = $2 } /^Version: / { version = $2 } /^Installed-Size: / { size = $2 }
/^Section: / { section = $2; sub(/.*\//, "", section) }
/^(Pre-)?Depends: / { sub(/^[^ ]* /, ""); needs = needs (needs == "" ? "" : ",") $0 }
/^$/ { show() } END { show() }'"""

# Passwords of a mirror's address stay here.
_APT_SOURCES: Final = r"""apt-get indextargets --format '$(REPO_URI) $(FILENAME)' 'Identifier: Sources-deb' \
| while read -r address file; do /usr/lib/apt/apt-helper cat-file "$file" | awk -v address="$address" '
function show() {
  if (name != "" && files != "") printf "%s\t%s\t%s%s\t%s\n", name, version, address, folder, files
  name = version = folder = files = ""; part = 0
}
BEGIN { sub(/:\/\/[^\/]*@/, "://", address) }
/^[^ ]/ { part = 0 }
/^Package: / { name = $2 } /^Version: / { version = $2 } /^Directory: / { folder = $2 }
/^Checksums-Sha256:/ { part = 1 }
part && /^ / { files = files (files == "" ? "" : ",") $1 ":" $2 ":" $3 }
/^$/ { show() } END { show() }'; done; echo"""

APT: Final = PackageManager(
    name="apt",
    package_url="deb",
    # Debian Policy 5.6.1, without names that end in a hyphen.
    name_form=re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]"),
    install=(
        "export DEBIAN_FRONTEND=noninteractive && apt-get update"
        # What is there stays there, whatever a package conflicts with.
        f" && apt-get install --yes --no-install-recommends --no-remove {{packages}} && {_APT_CLEAN}"
    ),
    hold="apt-mark hold {packages}",
    upgrade=f"export DEBIAN_FRONTEND=noninteractive && apt-get update && apt-get upgrade --yes && {_APT_CLEAN}",
    list_packages=r"dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n'",
    # --error-on=any: without it apt-get continues with its old lists, which are empty:
    # https://github.com/Debian/apt/pull/124
    list_updates="apt-get update --error-on=any >/dev/null && apt-get --simulate upgrade",
    parse_updates=parse_upgrades,
    add_user=_USERADD,
    update_lists=(
        f"printf %s '{_CONTENTS}' >/tmp/wheelyard-apt.conf; export APT_CONFIG=/tmp/wheelyard-apt.conf; "
        "apt-get update --error-on=any"
    ),
    # The candidates: what apt-get would install.
    list_archive_packages=_APT_PACKAGES,
    list_archive_sources=_APT_SOURCES,
    list_archive_files=(
        "apt-get indextargets --format '$(FILENAME)' 'Identifier: Contents-deb'"
        f" | xargs -r /usr/lib/apt/apt-helper cat-file | {_KEEP_WANTED}"
    ),
)
# dnf 5 loads the lists of files only if it is told to: https://dnf5.readthedocs.io/en/latest/dnf5.conf.5.html
_DNF_LISTS: Final = "--setopt=optional_metadata_types=filelists"
_DNF_QUERY: Final = f'{_DNF_LISTS} repoquery --available --latest-limit=1 --arch="$(uname -m),noarch"'
DNF: Final = PackageManager(
    name="dnf",
    package_url="rpm",
    name_form=re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*"),
    install="dnf --assumeyes --setopt=install_weak_deps=False install {packages} && dnf clean all",
    upgrade="dnf --assumeyes upgrade && dnf clean all",
    list_packages=_RPMS,
    # check-update exits with 100 if there are updates (dnf(8)).
    list_updates=(
        f"{_RPMS}; echo; dnf --quiet check-update || test $? -eq 100; "
        "dnf --quiet updateinfo list --security --updates | sed -nE 's/.* (\\S+)-[^-]+-[^-]+$/security \\1/p'"
    ),
    parse_updates=_parse_dnf,
    add_user=_USERADD,
    update_lists=f"dnf --quiet {_DNF_LISTS} makecache",
    list_archive_packages=(
        f"dnf --quiet {_DNF_QUERY} --queryformat '%{{name}}\\t%{{evr}}\\t%{{installsize}}\\t\\t\\n'"
    ),
    # One line "> name" before the files of each package.
    list_archive_files=(
        f"dnf --quiet {_DNF_QUERY} --queryformat '> %{{name}}\\n%{{files}}\\n'"
        " | awk '/^> / { name = $2 } /^\\// { print substr($0, 2) \" \" name }' | " + _KEEP_WANTED
    ),
)
_APK_INDEX: Final = "for one in /var/cache/apk/APKINDEX.*.tar.gz; do tar -xzOf $one APKINDEX; echo; done"
# https://wiki.alpinelinux.org/wiki/Apk_spec#APKINDEX_Format
_APK_PACKAGES: Final = r"""
/^P:/ { name = substr($0, 3) } /^V:/ { version = substr($0, 3) } /^I:/ { size = substr($0, 3) }
/^D:/ { needs = substr($0, 3); gsub(/ /, ",", needs) }
/^$/ && name { printf "%s\t%s\t%s\t\t%s\n", name, version, size, needs; name = needs = ""; size = 0 }"""
# An index of apk has no files, but what packages provide: libraries, programs and pkg-config's modules. The file that
# the linker looks for is in the -dev package of the library's source package.
_APK_FILES: Final = r"""
/^P:/ { name = substr($0, 3) } /^o:/ { source = substr($0, 3) }
/^p:/ { count = split(substr($0, 3), provided, " ") }
/^$/ && name {
  if (name == source "-dev") dev[source] = name
  for (i = 1; i <= count; i++) {
    what = provided[i]; sub(/=.*/, "", what); kind = what; sub(/:.*/, "", kind); sub(/^[^:]*:/, "", what)
    if (kind == "cmd") print "usr/bin/" what " " name
    if (kind == "pc") print "usr/lib/pkgconfig/" what ".pc " name
    if (kind == "so") {
      print "usr/lib/" what " " name
      sub(/[.]so.*/, ".so", what); made[what] = source
    }
  }
  name = source = ""; count = 0
}
END { for (what in made) if (made[what] in dev) print "usr/lib/" what " " dev[made[what]] }"""
APK: Final = PackageManager(
    name="apk",
    package_url="apk",
    name_form=re.compile(r"[a-z0-9][a-z0-9+._-]*"),
    install="apk add --no-cache {packages}",
    upgrade="apk upgrade --no-cache",
    list_packages=('apk info -v | sed -nE "s/^(.*)-([^-]*-r[0-9]+)\\$/\\\\1\\\\t\\\\2\\\\t$(apk --print-arch)/p"'),
    list_updates="apk update >/dev/null && apk version --limit '<'",
    parse_updates=_parse_apk,
    add_user=(
        f"{{ {_NOT_THERE} || {{ addgroup -g 1000 wheelyard; adduser -D -u 1000 -G wheelyard wheelyard; }}; }}"
        f" && {_ADD_CONTAINER_USERS}"
    ),
    update_lists="apk update",
    list_archive_packages=f"{_APK_INDEX} | awk '{_APK_PACKAGES}'",
    list_archive_files=f"{_APK_INDEX} | awk '{_APK_FILES}'",
)
MANAGERS: Final = {manager.name: manager for manager in (APT, DNF, APK)}
