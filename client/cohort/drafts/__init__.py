"""First manifests: from a folder of images, or from a table."""
