"""What is run of each package manager, and what is read out of its answers; dnf and apk as their manuals have them."""

import os
import subprocess
from pathlib import Path

import pytest

from wheelyard.domain.catalogue.package_managers import (
    APK,
    APT,
    CONTAINER_USERS,
    DNF,
    MANAGERS,
    PackageManager,
    find_manager,
)
from wheelyard.domain.catalogue.packages import InstalledPackage, PackageChange, parse_packages
from wheelyard.errors import NotFoundError
from wheelyard.resources import data_path


def test_packages_are_installed_without_leaving_lists_or_caches() -> None:
    assert APT.write_install(["libyaml-dev", "zlib1g-dev"]) == (
        "export DEBIAN_FRONTEND=noninteractive && apt-get update"
        " && apt-get install --yes --no-install-recommends --no-remove libyaml-dev zlib1g-dev"
        " && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log"
    )
    assert DNF.write_install(["libyaml-devel"]) == (
        "dnf --assumeyes --setopt=install_weak_deps=False install libyaml-devel && dnf clean all"
    )
    assert APK.write_install(["yaml-dev"]) == "apk add --no-cache yaml-dev"


def test_package_of_another_release_stays_at_it_when_the_rest_is_brought_up_to_date() -> None:
    command = APT.write_install(["rustc-web/bullseye", "zlib1g-dev"])
    assert " --no-install-recommends --no-remove rustc-web/bullseye zlib1g-dev && " in command
    assert command.endswith(" && apt-mark hold rustc-web")


def test_everything_is_brought_up_to_date() -> None:
    assert "apt-get upgrade --yes" in APT.upgrade
    assert DNF.upgrade == "dnf --assumeyes upgrade && dnf clean all"
    assert APK.upgrade == "apk upgrade --no-cache"


APK_PROGRAM = """#!/bin/sh
case $1 in
  info) printf '%s\\n' musl-1.2.5-r0 so-called-x-1.0_rc1-r2 'WARNING: no cache' ;;
  --print-arch) echo x86_64 ;;
esac
"""
DNF_PROGRAM = """#!/bin/sh
case $2 in
  check-update) echo 'tzdata.noarch    2026b-1.el9    appstream'; exit 100 ;;
  updateinfo) echo 'RHSA-2026:1 Important/Sec. tzdata-2026b-1.el9.noarch' ;;
esac
"""


def play(script: str, folder: Path, **programs: str) -> str:
    """Run a script where a package manager is played by a program of the test's own."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    ended = subprocess.run(["sh", "-euc", script], env={"PATH": path}, capture_output=True, text=True, check=True)
    return ended.stdout


def test_packages_are_listed_by_name_version_and_architecture(tmp_path: Path) -> None:
    assert parse_packages(play(APK.list_packages, tmp_path, apk=APK_PROGRAM)) == (
        InstalledPackage(name="musl", version="1.2.5-r0", architecture="x86_64"),
        InstalledPackage(name="so-called-x", version="1.0_rc1-r2", architecture="x86_64"),
    )
    assert DNF.list_packages == r"rpm --query --all --queryformat '%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\n'"


def test_updates_of_dnf_are_no_failure(tmp_path: Path) -> None:
    rpm = "#!/bin/sh\nprintf 'tzdata\\t2025a-1.el9\\tnoarch\\n'\n"
    (update,) = DNF.parse_updates(play(DNF.list_updates, tmp_path, dnf=DNF_PROGRAM, rpm=rpm))
    assert (update.from_version, update.to_version, update.is_security) == ("2025a-1.el9", "2026b-1.el9", True)


@pytest.mark.parametrize(
    ("manager", "good", "bad"),
    [
        (
            APT,
            ["libyaml-dev", "g++", "libstdc++6", "python3.13", "0ad"],
            ["", "-y", "gcc-", "gcc; id", "Gcc", "gcc=1", "gcc/sid", "./x.deb", "a"],
        ),
        (DNF, ["libX11-devel", "gcc-c++", "python3.13"], ["", "-y", "gcc; id", "$(id)", "a b", "/usr/bin/x"]),
        (APK, ["yaml-dev", "g++", "py3-pip"], ["", "-y", "gcc; id", "!musl", "a=1", "a>1"]),
    ],
)
def test_names_that_a_shell_or_the_manager_would_read_otherwise_are_refused(
    manager: PackageManager, good: list[str], bad: list[str]
) -> None:
    assert manager.reject_names([*good, *bad]) == bad


def test_updates_of_dnf_have_the_installed_versions_and_say_which_are_of_security() -> None:
    text = (
        "openssl-libs\t3.2.2-6.el9_5\tx86_64\ntzdata\t2025a-1.el9\tnoarch\n\n"
        "openssl-libs.x86_64    1:3.2.2-6.el9_5.1    baseos\ntzdata.noarch    2026b-1.el9    appstream\n"
        "Obsoleting Packages\nsecurity openssl-libs\n"
    )
    assert DNF.parse_updates(text) == (
        PackageChange(
            package="openssl-libs", from_version="3.2.2-6.el9_5", to_version="1:3.2.2-6.el9_5.1", is_security=True
        ),
        PackageChange(package="tzdata", from_version="2025a-1.el9", to_version="2026b-1.el9"),
    )
    assert DNF.parse_updates("tzdata\t2025a-1.el9\tnoarch\n\n") == ()


def test_updates_of_apk_are_what_it_says_is_older() -> None:
    text = (
        "Installed:                                Available:\nlibssl3-3.3.1-r0      < 3.3.2-r1 \n"
        "so-called-x-1.0_rc1-r2   < 1.0-r0\n"
    )
    assert APK.parse_updates(text) == (
        PackageChange(package="libssl3", from_version="3.3.1-r0", to_version="3.3.2-r1"),
        PackageChange(package="so-called-x", from_version="1.0_rc1-r2", to_version="1.0-r0"),
    )


def test_user_is_added_as_each_distribution_does_it() -> None:
    assert "useradd --uid 1000 --gid 1000" in APT.add_user
    assert APT.add_user == DNF.add_user
    assert "adduser -D -u 1000 -G wheelyard wheelyard" in APK.add_user


def test_users_of_containers_are_the_same_in_our_images_and_in_those_of_others() -> None:
    first, last = CONTAINER_USERS[0], CONTAINER_USERS[-1]
    steps = (data_path("builders") / "Dockerfile").read_text()
    lines = f"seq {first} {last} | sed 's|.*|wheelyard:x:&:&::/scratch/home:/bin/sh|' >> /etc/passwd"
    assert steps.count(lines) == 2
    for manager in MANAGERS.values():
        assert lines in manager.add_user
    probe = (data_path("builders") / "probes" / "kernel.py").read_text()
    assert f"USERS = range({first}, {last + 1})" in probe


def test_manager_is_found_by_its_name() -> None:
    assert [find_manager(name).name for name in MANAGERS] == ["apt", "dnf", "apk"]
    with pytest.raises(NotFoundError, match="yum"):
        find_manager("yum")
