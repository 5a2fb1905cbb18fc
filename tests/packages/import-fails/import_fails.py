"""A module that builds and installs well."""

raise RuntimeError("it cannot be imported anywhere")
