"""``fedgraft site check``: what is ready at this site, what is not, and what to do about it."""
