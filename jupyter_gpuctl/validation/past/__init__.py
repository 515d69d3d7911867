"""What earlier validations found out: results that still hold, and how long and large runs were."""
