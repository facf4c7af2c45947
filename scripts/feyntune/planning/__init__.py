"""Predicts which jobs would run, why, and their time, memory and disk; it loads no model and needs no network."""
