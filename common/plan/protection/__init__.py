"""The plan's sections on what protects hospitals beyond their own release rules."""
