"""Commands of a coordinator that are not a room's own."""
