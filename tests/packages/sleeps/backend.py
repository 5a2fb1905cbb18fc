"""A backend that never ends."""

import time


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    print("asleep", flush=True)
    time.sleep(3600)
