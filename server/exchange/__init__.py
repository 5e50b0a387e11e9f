"""What the coordinator asks of sites and what they answer: who is there, what is refused, and the ledger of it all."""
