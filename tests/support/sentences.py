"""Sentences of which tests make abstracts."""

SENTENCES = [
    "We study strings on a curved background.",
    "The spectrum of black holes is found exactly!",
    "Is the entropy finite?",
    "A dual description in terms of gauge fields is proposed.",
    "Loop corrections vanish at large $N$.",
]
