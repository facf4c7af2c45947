"""Base models, adapters and tokenizers, loaded in the same way by every stage."""
