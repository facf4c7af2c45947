"""From arXiv snapshots, the hub or local files to datasets of three splits."""
