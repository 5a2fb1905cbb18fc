"""A backend in the tree that asks for a second wheel only once it runs (PEP 517)."""

from setuptools import build_meta


def get_requires_for_build_wheel(config_settings=None):
    return ["flit-core>=3.12"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import flit_core

    print("asked for and got flit_core", flit_core.__version__)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
