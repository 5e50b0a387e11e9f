"""A table's columns as numbers: encoding, and the statistics of many sites together."""
