"""Base models, adapters and tokenizers, loaded the same way by every stage."""
