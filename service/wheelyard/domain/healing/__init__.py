"""How builds heal themselves: what failures say, what an sdist promises, and the recipe that follows."""
