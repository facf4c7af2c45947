"""Settings of mixtures."""

from feyntune.settings.base import Section
from feyntune.settings.data import Dataset
from feyntune.settings.leaks import Leaks


class MixtureStage(Section):
    """What `mix_dataset.py` is given."""

    dataset: Dataset
    """The mixture."""
    leaks: Leaks
    """What is dropped from its training split."""
