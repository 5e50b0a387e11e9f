"""Running a plan over simulated sites, in this process or on Ray."""
