"""Who is in which part of a cohort, who takes part now, and over whom its site may answer."""
