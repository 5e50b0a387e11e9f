"""The coordinator's processes, keys and folder, and the gateway that hospitals reach."""
