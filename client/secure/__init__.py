"""A site's part in secure aggregation: what it remembers of a run, how it introduces itself, and its steps."""
