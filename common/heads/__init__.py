"""Heads, and how they start: zeros, prototypes, ridge regression, class embeddings."""
