"""``fedgraft coordinator console``: the federation as a web page, for a person without a terminal."""
