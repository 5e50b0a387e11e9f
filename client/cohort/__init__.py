"""The labelled cases of a site: reading them, splitting them, and excluding those that can't be used."""
