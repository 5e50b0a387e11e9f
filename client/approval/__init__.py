"""A hospital says yes or no to a plan, by its digest; until a person has, nothing is done for it."""
