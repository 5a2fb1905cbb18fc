"""Routes that take files: the upload API of package indexes, and ``/v1/files``."""
