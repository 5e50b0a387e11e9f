"""Secure aggregation: sites mask what they send, so that the coordinator learns the sum over sites and nothing of one.

Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning" (CCS 2017); above 50 sites on a
random regular graph as in Bell et al., "Secure single-server aggregation with (poly)logarithmic overhead" (CCS 2020).
Numbers are words on a fixed grid (`fixed_point`), masks are keystreams (`masks`) from seeds that two sites agree on
(`keys`), and what is needed if a site is lost is shared among the others (`shamir`). `member` is one site's part,
`recovery` the coordinator's. Nothing here knows of Flower, messages or files.
"""
