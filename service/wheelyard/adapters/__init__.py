"""The outside world, one file each: database, engine, indexes. Must not import use cases or the pipeline."""
