"""Completions: the interface of a generation engine, the engines, and the tables that they fill."""
