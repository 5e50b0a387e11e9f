"""The manifest: one line a case, from CSV or Parquet."""
