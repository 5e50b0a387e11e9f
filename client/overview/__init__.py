"""What a site's own folder tells of it, in one reading: `fedgraft site status`, the site's console, its metrics."""
