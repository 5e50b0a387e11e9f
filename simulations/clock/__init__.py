"""Virtual time: how long a run would have taken with the hospitals' own network lines and machines."""
