"""Hydra groups; data only (composed as ``pkg://fedgraft.conf``)."""
