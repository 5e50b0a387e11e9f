"""Calibration: from log odds to probabilities that can be taken at their word, fitted to binned scores.

Maps (`maps.py`, `calibration.py`), how they are fitted to all sites' validation cases (`fit.py`, `isotonic.py`) and to
each site's (`sites.py`), both by `logistic.py`; and figures of how good probabilities are (`figures.py`, `bins.py`).
"""
