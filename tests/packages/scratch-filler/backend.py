"""A backend that writes until there is no room left."""

import os


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.path.join(wheel_directory, "junk"), "wb") as file:
        while True:
            file.write(bytes(1 << 20))
