"""Try runs on one's own text: completions of several runs side by side, on a terminal or in a local web page."""
