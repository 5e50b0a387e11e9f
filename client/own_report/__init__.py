"""``fedgraft site report``: a site's own page about a model, with more than may leave."""
