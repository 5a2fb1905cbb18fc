"""The catalogue of builders, and what an image is made of."""
