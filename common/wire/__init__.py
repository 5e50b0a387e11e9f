"""Every record that travels between coordinator and sites."""
