"""Recipes beside each other in a study: the recipe itself and its rivals, on the same cases, splits and seeds."""
