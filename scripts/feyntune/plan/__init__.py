"""What would run, why, and what it will cost: known in seconds, before anything runs, without a model and a network."""
