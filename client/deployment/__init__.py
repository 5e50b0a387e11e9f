"""A site's processes: the supervisor, Flower's SuperNode, and a process for each message."""
