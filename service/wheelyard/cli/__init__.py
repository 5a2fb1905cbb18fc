"""The command line: a client of the REST API, and the operator's commands. Must not decide what use cases decide."""
