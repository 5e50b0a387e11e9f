"""How long a run would have taken over the hospitals' own lines and machines."""
