"""Answers as dictionaries of arrays that matter only as a sum over sites, and such sums as one answer: of a site that
had all sites' cases. What a site says besides (names, texts) is not summed, and does not leave it in a secure sum."""
