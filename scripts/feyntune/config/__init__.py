"""The configuration: its schema, how it is loaded and checked, and the runs that it declares."""
