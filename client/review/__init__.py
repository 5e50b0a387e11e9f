"""What a plan that came would do and tell here, in words, and how a person says yes or no: commands of a site."""
