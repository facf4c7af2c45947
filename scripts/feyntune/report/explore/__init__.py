"""The page on which people search and sort all completions: its data in files beside it, and its template."""
