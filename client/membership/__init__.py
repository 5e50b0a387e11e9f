"""A site's own membership: another key while it takes part, and its end."""
