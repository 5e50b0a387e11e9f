"""What the consoles of both sides share: who may see a page, its frame, live parts, started commands, metrics."""
