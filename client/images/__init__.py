"""Image files to float pixels at the network's size: decoded once, in processes of their own, and kept."""
