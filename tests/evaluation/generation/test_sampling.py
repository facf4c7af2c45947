"""Counter-based sampling: the generator against its definition, the distribution of samples by chi-square tests."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, kstest

from feyntune.config.schema.generation import Generation
from feyntune.core.errors import FeynTuneError
from feyntune.evaluation.generation import sampling
from feyntune.evaluation.generation.engine import stream_key
from support.distributions import ROWS, SCORES, SETTINGS, WORDS, distribution, p_value


def keys(count, run="tiny"):
    return torch.tensor([stream_key(42, run, f"2401.{number:05d}") for number in range(count)])


def samples(settings, keys, position=7):
    """One sample for each key, as ``generate`` takes it: the argmax of the processed scores."""
    tokens = torch.zeros(len(keys), position, dtype=torch.long)
    scores = sampling.distribution_processors(Generation(**settings))(tokens, SCORES.expand(len(keys), WORDS).clone())
    return sampling.GumbelMax(keys, torch.zeros(len(keys), dtype=torch.long))(tokens, scores).argmax(dim=1)


def test_the_generator_is_splitmix64():
    """Against plain integer arithmetic, and the first outputs for the seed 1234567 as its authors give them."""
    mask, state = 2**64 - 1, 1234567
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    for output in expected:
        state = (state + sampling.GOLDEN) & mask
        signed = state - 2**64 if state >= 2**63 else state
        assert sampling._mix(torch.tensor(signed)).item() & mask == output


def test_noise_is_gumbel_over_tokens_rows_and_positions():
    noise = sampling.gumbel_noise(keys(1), torch.tensor([5]), 20_000)[0]
    assert kstest(noise.numpy(), "gumbel_r").pvalue > 0.001
    assert kstest(sampling.gumbel_noise(keys(20_000), torch.tensor(5), 1)[:, 0].numpy(), "gumbel_r").pvalue > 0.001
    places = torch.arange(20_000)
    assert kstest(sampling.gumbel_noise(keys(1), places, 1)[:, 0].numpy(), "gumbel_r").pvalue > 0.001


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_samples_follow_the_distribution(settings):
    assert p_value(samples(settings, keys(ROWS)), distribution(**settings)) > 0.001


def test_the_test_detects_another_distribution():
    assert p_value(samples({"temperature": 0.7}, keys(ROWS)), distribution(temperature=0.75)) < 1e-6


def test_the_rarest_random_numbers_give_finite_noise():
    """All bits of 1 - uniform set or none: rounding to 1 would give -inf, and 0 would give inf."""
    noise = sampling._gumbel(torch.tensor([-1, 0, 2**40]))
    assert noise.isfinite().all()
    assert noise[0].item() == pytest.approx(-np.log(24 * np.log(2)), rel=1e-3)
    assert noise.argmax() == 1


def test_the_sampler_runs_on_the_device_of_the_keys():
    """Mixing devices raises on the meta device, as it would on a GPU."""
    keys = torch.empty(2, dtype=torch.long, device="meta")
    noisy = sampling.GumbelMax(keys, keys)(torch.empty(2, 5, device="meta"), torch.empty(2, WORDS, device="meta"))
    assert (noisy.shape, noisy.device.type) == ((2, WORDS), "meta")


def test_neighbouring_positions_and_runs_are_independent():
    here = samples({"temperature": 1.0}, keys(ROWS))
    for other in (
        samples({"temperature": 1.0}, keys(ROWS), position=8),
        samples({"temperature": 1.0}, keys(ROWS, run="other")),
        here.roll(1),
    ):
        counts = np.histogram2d(here, other, bins=WORDS)[0]
        assert chi2_contingency(counts).pvalue > 0.001


def test_padding_does_not_shift_positions():
    one = sampling.GumbelMax(keys(1), torch.tensor([0]))(torch.zeros(1, 7), torch.zeros(1, WORDS))
    two = sampling.GumbelMax(keys(1), torch.tensor([4]))(torch.zeros(1, 11), torch.zeros(1, WORDS))
    assert torch.equal(one, two)


def test_keys_differ_by_seed_run_and_id():
    streams = {stream_key(*parts) for parts in [(1, "a", "b"), (2, "a", "b"), (1, "c", "b"), (1, "a", "d")]}
    assert len(streams) == 4


def test_end_tokens_are_forbidden_below_the_minimum():
    early = sampling.MinNewTokens([3, 5], [9, 8])
    scores = early(torch.zeros(2, 8), torch.zeros(2, WORDS))
    assert scores[0].isneginf().nonzero().flatten().tolist() == [3, 5]
    assert scores[1].isfinite().all()


def test_nan_logits_name_the_abstracts():
    scores = torch.zeros(3, WORDS)
    scores[1, 4] = torch.nan
    with pytest.raises(FeynTuneError, match=r"^b: the model's logits are NaN"):
        sampling.NanCheck(["a", "b", "c"])(None, scores)
