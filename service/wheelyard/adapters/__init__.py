"""The outside world, a room each: database, engine, images, host, indexes, recipes, resolver."""
