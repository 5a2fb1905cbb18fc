"""Rows that an older release wrote are still read."""

from typing import Any

from tests.contract.samples import sample_wheel

from wheelyard.adapters.store.rows import _WHEEL, wheel_json

NEW = ("policy_reason", "warnings", "host_libraries")
NEW_OF_GRAFTS = ("origin", "needed_by", "chain", "beyond_policy")


def row() -> dict[str, Any]:
    stored = wheel_json(sample_wheel())
    assert stored is not None
    return dict(stored.obj)


def test_wheel_comes_back_as_it_was() -> None:
    assert _WHEEL.validate_python(row()) == sample_wheel()


def test_wheel_from_before_reasons_and_chains_is_read() -> None:
    old = {name: value for name, value in row().items() if name not in NEW}
    old["grafted"] = [
        {name: value for name, value in one.items() if name not in NEW_OF_GRAFTS} for one in old["grafted"]
    ]
    wheel = _WHEEL.validate_python(old)
    assert (wheel.policy_reason, wheel.warnings, wheel.host_libraries) == (None, (), ())
    assert {(one.chain, one.origin, one.beyond_policy) for one in wheel.grafted} == {((), None, False)}
