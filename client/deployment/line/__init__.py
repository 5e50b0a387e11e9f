"""The line to the coordinator: calls that are tried again, and pieces of a message that are kept until all came."""
