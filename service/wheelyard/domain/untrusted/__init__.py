"""Parsers of untrusted text, with limits: a module for each kind.

Each reader checks size, depth and count before a parser whose cost is not linear gets the text, and raises
RefusedTextError. No other module parses such text: ``tests/unit/test_untrusted_readers.py`` checks this.
"""
