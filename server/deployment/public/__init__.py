"""The public port: what passes it to Flower, what it gives out, and what it takes."""
