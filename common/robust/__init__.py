"""Strategies that a minority of wrong updates can't lead astray, besides those that Flower brings."""
