"""Text of strangers, parsed with bounds: a module for each kind.

Each reader looks at size, depth and count before a parser whose cost is not linear sees the text, and raises
RefusedTextError. Nothing else in the service parses such text: ``tests/unit/test_untrusted_readers.py`` proves it.
"""
