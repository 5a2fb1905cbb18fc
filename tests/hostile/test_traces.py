"""The end check tells what an attack has left by name, whatever else there is."""

from tests.hostile.traces import changes

BEFORE = {"volumes": ["a", "b"], "files": {"/etc/passwd": (0o644, 1), "/etc/hosts": (0o644, 1)}, "core": "core"}


def test_nothing_is_told_where_all_is_as_it_was() -> None:
    assert changes(BEFORE, {**BEFORE, "volumes": ["a", "b"]}) == {}


def test_what_is_new_gone_or_changed_is_told_by_name() -> None:
    after = {"volumes": ["b", "c"], "files": {"/etc/passwd": (0o666, 2), "/etc/hosts": (0o644, 1)}, "core": "|/tmp/x"}
    assert changes(BEFORE, after) == {
        "volumes": ["a", "c"],
        "files": [("/etc/passwd", (0o644, 1)), ("/etc/passwd", (0o666, 2))],
        "core": ["core", "|/tmp/x"],
    }
