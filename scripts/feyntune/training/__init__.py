"""Training of one adapter with QLoRA: resumable at any point, with little padding."""
