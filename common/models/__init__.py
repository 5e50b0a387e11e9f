"""The network of a plan: backbone, layers, head, roles of its tensors, and where its frozen part ends."""
