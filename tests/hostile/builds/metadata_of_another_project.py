"""Have a PKG-INFO of another project and release, to be taken for it."""

HARMLESS = "It is not believed: the wheel's own metadata must be that of what was ordered."
PKG_INFO = """Metadata-Version: 2.2
Name: requests
Version: 99.0
"""
