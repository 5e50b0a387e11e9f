"""The section on notes: length, windows, languages, negations, duplicates, words that give the label away."""
