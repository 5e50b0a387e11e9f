"""Personalisation: local heads (FedPer, FedRep), a local copy of the model (Ditto), fine-tuning."""
