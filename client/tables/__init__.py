"""Tables: reading cells from files, and making a network's inputs of them."""
