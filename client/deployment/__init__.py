"""A site's processes: the supervisor of Flower's SuperNode, and what it starts for each message."""
