"""The documents of the REST API, as pydantic models that its client uses as well: nothing here imports FastAPI."""
