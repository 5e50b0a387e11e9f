"""``fedgraft site console``: the site as a web page, for who says yes or no there."""
