"""Use a trained model on new cases: read as in training, with the same reasons for which a case can't be used."""
