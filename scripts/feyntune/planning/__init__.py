"""Predicts what would run, why, and what it costs, in seconds and without a model or a network."""
