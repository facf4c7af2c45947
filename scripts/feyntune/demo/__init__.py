"""The inputs of the embedded default: a synthetic snapshot, a small language model, small metric models."""
