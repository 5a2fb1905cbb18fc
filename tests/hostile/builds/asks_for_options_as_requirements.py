"""Fail as if build requirements were missing whose names are options and addresses."""

REFUSED = "build-failed"
STAGE = "build"
SAID = "did not build"


def attack():
    for name in ("--index-url=http://10.0.0.1", "demo @ http://10.0.0.1/x.whl", "..", "x" * 5000):
        print(f"ModuleNotFoundError: No module named '{name}'")
    raise SystemExit(1)
