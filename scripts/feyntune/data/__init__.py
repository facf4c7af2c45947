"""Build datasets of three splits from arXiv snapshots, the Hugging Face hub or local files."""
