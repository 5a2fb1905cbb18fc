"""The package archives of suites: read in containers, kept in a store, looked up in files of this host."""
