"""``model-card.md`` and ``.json``: what a run knows of its model, and questions that only people can answer."""
