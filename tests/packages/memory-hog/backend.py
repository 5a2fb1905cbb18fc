"""A backend that takes all the memory that there is."""


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    hoard = []
    while True:
        hoard.append(b"x" * (16 << 20))
