"""Making the images of all sites alike before the network sees them."""
