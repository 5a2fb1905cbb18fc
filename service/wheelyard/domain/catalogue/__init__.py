"""The catalogue of builders, and the contents of images."""
