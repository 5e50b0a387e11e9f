"""Over whom a site has answered, and over whom it may answer next: the account that stops differencing."""
