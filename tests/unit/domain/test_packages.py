"""System packages: their lock does not depend on order, two locks are compared, pending upgrades are read."""

from wheelyard.domain.catalogue.packages import (
    InstalledPackage,
    PackageChange,
    compare_packages,
    digest_lock,
    mark_security,
    parse_packages,
    parse_upgrades,
    write_lock,
)

LISTED = "zlib1g\t1:1.2.13\tamd64\nbase-files\t12.4\tamd64\n"
SIMULATED = """Reading package lists...
Inst libssl3 [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
Inst tzdata [2025a-0] (2025b-0 Debian:12.11/oldstable [all]) []
Inst new-one (1.0 Debian:12/oldstable [amd64])
Conf libssl3 (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""


def package(name: str, version: str) -> InstalledPackage:
    return InstalledPackage(name=name, version=version, architecture="amd64")


def test_lock_is_the_same_in_any_order() -> None:
    packages = parse_packages(LISTED)
    assert write_lock(packages) == "base-files:amd64=12.4\nzlib1g:amd64=1:1.2.13\n"
    assert digest_lock(packages) == digest_lock(reversed(packages))
    assert digest_lock(packages) != digest_lock(packages[:1])


def test_what_came_went_and_changed_is_reported_and_nothing_else() -> None:
    old = [package("gone", "1"), package("kept", "1"), package("newer", "1")]
    new = [package("came", "1"), package("kept", "1"), package("newer", "2")]
    assert compare_packages(old, new) == (
        PackageChange(package="came", from_version="", to_version="1"),
        PackageChange(package="gone", from_version="1", to_version=""),
        PackageChange(package="newer", from_version="1", to_version="2"),
    )


def test_change_is_of_security_if_the_archive_said_so_beforehand() -> None:
    changes = compare_packages([package("a", "1"), package("b", "1")], [package("a", "2"), package("b", "2")])
    pending = [PackageChange(package="a", from_version="1", to_version="2", is_security=True)]
    assert [(change.package, change.is_security) for change in mark_security(changes, pending)] == [
        ("a", True),
        ("b", False),
    ]


def test_pending_upgrades_are_read_with_their_archive() -> None:
    assert parse_upgrades(SIMULATED) == (
        PackageChange(
            package="libssl3", from_version="3.0.15-1~deb12u1", to_version="3.0.17-1~deb12u2", is_security=True
        ),
        PackageChange(package="tzdata", from_version="2025a-0", to_version="2025b-0"),
    )


def test_no_upgrade_is_none() -> None:
    assert parse_upgrades("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n") == ()
