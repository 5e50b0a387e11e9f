"""Decisions: thresholds, sets of answers that hold what is true as often as was promised, and what a person must see.

Everything is made from score counts (`fedgraft.common.interfaces.scores`) of validation cases, pooled and by
site, and judged by those of test cases: `counts.py` mixes a site's own with all sites', `operating.py` chooses
thresholds, `conformal.py` bounds sets, `decisions.py` is what goes with a model, `figures.py` and `curves.py` say how
good it is.
"""
