"""Domain adaptation of a frozen backbone: layers inserted into it, and batch norm's statistics; one method a file."""
