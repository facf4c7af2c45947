"""This project's way against the reference's, side by side on one machine: ``make bench``."""
