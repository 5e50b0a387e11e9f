"""The coordinator's part in secure aggregation: keys and shares go through its hands, and it learns sums."""
