"""What a site refuses of a coordinator that could want to see single patients (docs/trust.md)."""
