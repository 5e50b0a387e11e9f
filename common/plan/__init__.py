"""The plan: its sections, its digest, the parts that it names, and what it switches on."""
