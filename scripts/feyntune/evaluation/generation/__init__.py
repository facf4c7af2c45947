"""Completions: the engine, its KV cache and its sampling, and the table of completions."""
