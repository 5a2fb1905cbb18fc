"""The pydantic models of the REST API. The command line uses them too, so nothing here imports FastAPI (slow)."""
