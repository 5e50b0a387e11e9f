"""Compute the constant part of the network once per case, and keep its outputs."""
