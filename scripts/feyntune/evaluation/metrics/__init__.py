"""Metrics that compare completions with the true abstracts."""
