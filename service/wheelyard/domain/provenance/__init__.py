"""What is attested of published files: in-toto statements and the objects that carry them."""
