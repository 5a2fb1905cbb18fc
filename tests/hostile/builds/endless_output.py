"""Make a wheel that is larger than what is taken: sparse, so that it costs nothing here."""

STAGE = "build"
REFUSED = "output-limit"
SAID = "the limit is 16777216"


def wheel(folder):
    name = "demo-1.0-py3-none-any.whl"
    with open(folder / name, "wb") as file:
        file.truncate(1 << 40)
    return name
