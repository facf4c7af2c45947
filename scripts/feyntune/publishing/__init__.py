"""What goes to the Hugging Face hub: wide tables, cards, and how they are pushed."""
