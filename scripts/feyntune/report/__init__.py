"""What people look at: pooled results, tables, figures, one page, and rating sheets."""
