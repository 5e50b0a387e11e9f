"""Which training cases an epoch shows: one file for each way."""
