"""The path from an order to a published wheel: a tuple of small stages of one shape, and the loop that runs them."""
