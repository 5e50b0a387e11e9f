"""Simulated sites: cases dealt to folders that look like a real site's."""
