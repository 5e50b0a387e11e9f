"""Tables: files to cells, cells to the network's input."""
