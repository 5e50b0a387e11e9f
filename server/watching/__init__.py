"""``fedgraft coordinator watch``: what a run does, read from its folder and from what sites tell of themselves."""
