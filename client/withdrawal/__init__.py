"""A patient opts out, or the whole site leaves: nothing that was computed of their cases stays."""
