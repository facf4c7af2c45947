"""Training of one adapter: QLoRA that survives any kill and computes on next to no padding."""
