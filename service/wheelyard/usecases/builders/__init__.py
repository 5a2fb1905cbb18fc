"""Use cases about the builders: which Pythons can be had."""
