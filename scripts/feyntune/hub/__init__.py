"""The Hugging Face hub and Weights & Biases: fetch, push, model cards, tables in the reference's schema, imports."""
