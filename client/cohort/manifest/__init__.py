"""The manifest: one line per case, from CSV or Parquet."""
