"""The labelled cases of a site: who is in which split, what is left out and why."""
