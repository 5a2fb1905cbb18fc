"""The state of an archive: read off the names and dates of Release files, kept in a label."""

from datetime import UTC, datetime

import pytest

from wheelyard.domain.catalogue.archive import ArchiveDate, read_dates, write_dates

DATE = datetime(2026, 11, 22, 8, 14, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file_name", "source"),
    [
        ("mirror.test_debian_dists_bookworm_InRelease", "bookworm"),
        ("mirror.test_debian-security_dists_bookworm-security_InRelease", "bookworm-security"),
        ("mirror.test_old_dists_sarge_updates_Release", "sarge_updates"),
    ],
)
def test_source_is_named_as_in_the_list_of_sources(file_name: str, source: str) -> None:
    assert ArchiveDate.of_release(file_name, "Sun, 22 Nov 2026 08:14:02 UTC") == ArchiveDate(source=source, date=DATE)


def test_label_is_read_as_it_was_written_and_does_not_depend_on_order() -> None:
    dates = (ArchiveDate(source="bookworm", date=DATE), ArchiveDate(source="bookworm-security", date=DATE))
    assert write_dates(dates) == "bookworm=2026-11-22T08:14:02Z,bookworm-security=2026-11-22T08:14:02Z"
    assert read_dates(write_dates(reversed(dates))) == dates
    assert read_dates("") == ()
