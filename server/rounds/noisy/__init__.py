"""What of a round has noise for privacy: sums over sites, figures of the final model, updates of whole sites."""
