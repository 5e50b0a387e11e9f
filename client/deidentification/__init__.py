"""What may name a patient in a note: found by patterns, counted by kind, and replaced in a copy. Never a guarantee."""
