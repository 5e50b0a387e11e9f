"""The sections of the report of ``fedgraft site check``, one per file."""
