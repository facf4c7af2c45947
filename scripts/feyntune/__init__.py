"""Fine-tune language models on arXiv abstracts, and measure honestly whether it helped."""
