"""Distributions over a dozen tokens by the definition of each generation setting, and the test of samples from them."""

import numpy as np
import torch
from scipy.stats import chisquare

WORDS = 12
SCORES = torch.randn(WORDS, generator=torch.Generator().manual_seed(3)) * 2
ROWS = 40_000
SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 2.0, "top_k": 5},
    {"temperature": 0.7, "top_p": 0.8},
    {"temperature": 1.5, "min_p": 0.1},
    {"temperature": 0.9, "top_k": 8, "top_p": 0.9, "min_p": 0.02},
]


def distribution(temperature=1.0, top_k=None, top_p=1.0, min_p=0.0, scores=SCORES):
    """Probabilities by the definition of each setting, one after the other."""
    chances = np.exp(scores.double().numpy() / temperature)
    chances /= chances.sum()
    order = np.argsort(-chances)
    if top_k:
        chances[order[top_k:]] = 0
        chances /= chances.sum()
    if top_p < 1:
        before = np.cumsum(chances[order]) - chances[order]
        chances[order[before >= top_p]] = 0
        chances /= chances.sum()
    chances[chances < min_p * chances.max()] = 0
    return chances / chances.sum()


def p_value(tokens, chances):
    """Probability of a deviation as large as that of these tokens; tokens without any chance must not occur."""
    counts = np.bincount(tokens, minlength=len(chances))
    assert counts[chances == 0].sum() == 0
    return chisquare(counts[chances > 0], chances[chances > 0] * len(tokens)).pvalue
