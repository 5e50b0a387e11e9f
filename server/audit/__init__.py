"""The ledger as a chain: what the coordinator says of it in instructions, what it keeps of the sites' logs, and the
audit of both."""
