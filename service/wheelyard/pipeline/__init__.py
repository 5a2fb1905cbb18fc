"""The path from an order to a published wheel: small stages of one shape, and the loop that runs them."""
