"""What can be told to be wrong from a plan alone, a theme a file."""
