"""How sure a study's differences are, and what follows from them."""
