"""What each site keeps for itself: FedPer, FedRep, Ditto, fine-tuning."""
