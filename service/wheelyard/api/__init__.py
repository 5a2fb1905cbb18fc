"""The REST API: HTTP in front of the use cases. Must not decide anything that the use cases decide."""
