"""On PYTHONPATH of jobs whose GPUs are fake devices of a test cluster: they compute on the CPU instead of stopping."""

import os

os.environ.pop("FEYNTUNE_GPUS", None)
