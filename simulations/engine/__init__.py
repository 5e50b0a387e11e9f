"""Run a plan over simulated sites, in this process or on Ray, and open the results of runs."""
