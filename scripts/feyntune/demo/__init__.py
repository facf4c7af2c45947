"""The material of the embedded default: a made-up snapshot, a small language model, small metrics."""
