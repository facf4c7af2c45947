"""Everything that is computed with a finished model: completions, perplexity, embeddings, similarity and metrics."""
