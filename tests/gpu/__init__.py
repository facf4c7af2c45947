"""What must work on a GPU, with the programs that users run: ``make gpu-test``."""
