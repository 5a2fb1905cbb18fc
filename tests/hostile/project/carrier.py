"""Give out a wheel that was made elsewhere, byte for byte: so every wheel of wheels/ comes out of a container."""

import shutil


def wheel(folder):
    name = "demo-1.0-py3-none-any.whl"
    shutil.copyfile("payload", folder / name)
    return name
