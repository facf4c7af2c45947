"""The figures of `results/figures`, in one style, as PNG and SVG."""
