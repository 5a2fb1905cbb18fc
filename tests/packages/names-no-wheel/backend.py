"""A backend that names a wheel and makes none."""


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return "names_no_wheel-1.0-py3-none-any.whl"
