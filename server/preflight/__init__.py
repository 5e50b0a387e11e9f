"""Whether a plan fits the sites that are online, asked before anything is submitted."""
