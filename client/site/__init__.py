"""What a site's own file says, its machine and keys, its row store, and the last gate before anything leaves."""
