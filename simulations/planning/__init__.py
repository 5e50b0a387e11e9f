"""From words to a checked plan, and what such a plan would do."""
