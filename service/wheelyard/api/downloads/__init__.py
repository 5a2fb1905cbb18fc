"""Answers that send files: from a copy on this host, by the proxy before the API, or while the copy is made."""
