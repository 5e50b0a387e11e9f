"""Images: files are decoded once, in processes of their own, to pixels at the network's size, which are kept."""
