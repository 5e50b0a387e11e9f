"""Names of the site's own logs in its state folder, apart from what writes them: who only reads them loads no torch."""

RELEASED = "released.jsonl"
"""What left the site."""
