"""A site's logs as chains: what it says of them in replies, what it keeps of the coordinator's, and the audit."""
