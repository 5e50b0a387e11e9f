"""Many sites on one machine, with the same client and server."""
