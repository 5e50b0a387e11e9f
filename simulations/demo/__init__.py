"""`fedgraft demo`: a coordinator and its hospitals as processes of this machine, over TLS, in one command."""
