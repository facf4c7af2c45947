"""scripts/train.py itself, with a second of sleep in each step: a training that is long, and costs nothing."""

import time

import train
from feyntune.core.cli import launch


def main(options):
    """Train slowly."""
    from feyntune.training.trainer import AdapterTrainer

    step = AdapterTrainer.training_step

    def slow_step(self, *arguments, **others):
        time.sleep(1)
        return step(self, *arguments, **others)

    AdapterTrainer.training_step = slow_step
    train.main(options)


if __name__ == "__main__":
    launch(__doc__, train.arguments, main)
