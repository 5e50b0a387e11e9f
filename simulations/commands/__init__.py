"""The commands of a researcher: simulate, plan, augment, clock."""
