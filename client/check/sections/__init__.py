"""The sections of the page that `fedgraft site check` writes, one a file."""
