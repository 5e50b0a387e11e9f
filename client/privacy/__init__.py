"""What a site tells under ``privacy=record``: sums with noise, each charged to the site's account before it leaves."""
