"""The folder ``model/`` of a run: a trained model as files that can be handed out, verified and used."""
