"""The rounds of a run: prepare, start, round, finish."""
