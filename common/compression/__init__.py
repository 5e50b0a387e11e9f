"""How shared tensors are written smaller for the wire: one codec a file."""
