"""A plan's model: backbone, adaptation layers, head, the roles of its tensors, and where its constant part ends."""
