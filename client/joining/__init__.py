"""From an invitation's line to a site that is connected: no file is carried."""
