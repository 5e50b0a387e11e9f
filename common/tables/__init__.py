"""Tables: encoding of rows as numbers, and statistics of columns pooled over sites."""
