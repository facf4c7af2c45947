"""Steps draw abstracts at random; micro-batches and rows have little padding and separate abstracts."""

import numpy as np
import pytest

from benchmarks.material import realistic_lengths
from feyntune.training import microbatches
from feyntune.training.microbatches import (
    IGNORED,
    MicroBatches,
    collate,
    distribute,
    micro_batches_per_device,
    order_steps,
    pack,
)


def padding_of(batches):
    tokens = sum(int((batch["labels"] != IGNORED).sum()) + count for batch, count in batches)
    return 1 - tokens / sum(batch["input_ids"].numel() for batch, _ in batches)


@pytest.mark.parametrize("rows", [20, 60, 2000])
@pytest.mark.parametrize("devices, limit", [(1, None), (2, None), (1, 4), (4, 2)])
@pytest.mark.parametrize("hidden_size", [64, 320, 4096, None])
def test_at_most_eight_percent_is_padding_on_small_and_large_datasets(rows, devices, limit, hidden_size):
    lengths = realistic_lengths(rows)
    sequences = [np.ones(length, dtype=np.int32) for length in lengths]
    order = order_steps(lengths, 16, 12, seed=1)
    micro_batches = MicroBatches(sequences, order, devices, 0, hidden_size)
    per_device = micro_batches_per_device(16 // devices, limit)
    batches = [
        (batch, 16 // (devices * per_device))
        for step in range(12)
        for device in range(devices)
        for batch in micro_batches.of_step(step, device, per_device)
    ]
    assert len(batches) == 12 * devices * per_device
    assert padding_of(batches) <= 0.08


def test_plain_padding_would_waste_more_than_half():
    lengths = realistic_lengths(2000)
    order = order_steps(lengths, 16, 100, seed=1)
    widths = np.ceil(lengths[order].max(axis=1) / 8) * 8
    assert lengths[order].sum() / (16 * widths).sum() < 0.5


def test_each_pass_contains_every_abstract_once():
    order = order_steps(realistic_lengths(48), 16, 6, seed=3)
    assert sorted(order.ravel()) == sorted([*range(48), *range(48)])


def test_the_last_batch_is_filled_from_the_next_pass():
    order = order_steps(realistic_lengths(10), 4, 3, seed=3)
    assert order.shape == (3, 4)
    assert set(order.ravel()) == set(range(10))


def test_the_longest_step_comes_first():
    lengths = realistic_lengths(400)
    totals = lengths[order_steps(lengths, 16, 100, seed=5)].sum(axis=1)
    assert totals[0] == totals.max()


def test_steps_are_drawn_regardless_of_length():
    lengths = realistic_lengths(4000)
    within = lengths[order_steps(lengths, 16, 250, seed=5)[1:]].std(axis=1, ddof=1).mean()
    assert within == pytest.approx(lengths.std(), rel=0.05)


def test_the_seed_decides_the_order():
    lengths = realistic_lengths(100)
    assert (order_steps(lengths, 16, 10, 1) == order_steps(lengths, 16, 10, 1)).all()
    assert (order_steps(lengths, 16, 10, 1) != order_steps(lengths, 16, 10, 2)).any()


@pytest.mark.parametrize(
    "batch_size, devices, limit, expected",
    [(16, 1, None, 1), (16, 1, 8, 2), (16, 2, 8, 1), (16, 2, 3, 4), (15, 3, 4, 5), (12, 3, 4, 1), (16, 1, 100, 1)],
)
def test_accumulation_is_derived(batch_size, devices, limit, expected):
    assert micro_batches_per_device(batch_size // devices, limit) == expected


def test_parts_have_equal_numbers_of_abstracts_and_nearly_equal_tokens():
    lengths = np.array([10, 1, 8, 3, 9, 2, 7, 4])
    parts = distribute(lengths, 2)
    assert sorted(parts.ravel()) == list(range(8))
    assert [lengths[part].tolist() for part in parts] == [[10, 7, 4, 1], [9, 8, 3, 2]]


def test_rows_are_balanced():
    assert sorted(sorted(row) for row in microbatches._balanced_rows([5, 4, 3, 2, 1, 1], 2)) == [[0, 3, 4], [1, 2, 5]]


def test_a_wide_model_has_fewer_and_longer_rows_than_a_narrow_one():
    lengths = realistic_lengths(16).tolist()
    assert len(pack(lengths, 8192)) <= len(pack(lengths, 64))
    assert len(pack(lengths, None)) == 1


def test_collate_equals_a_batch_written_by_hand():
    sequences = [np.array([7, 8, 9]), np.array([5, 6])]
    batch = {name: array.tolist() for name, array in collate(sequences, [[0, 1]], pad_id=0).items()}
    assert batch == {
        "input_ids": [[7, 8, 9, 5, 6, 0, 0, 0]],
        "position_ids": [[0, 1, 2, 0, 1, 0, 1, 2]],
        "labels": [[IGNORED, 8, 9, IGNORED, 6, IGNORED, IGNORED, IGNORED]],
    }


def test_devices_and_micro_batches_split_each_step():
    sequences = [np.full(length, number + 1) for number, length in enumerate(realistic_lengths(32))]
    order = order_steps(np.array([len(sequence) for sequence in sequences]), 8, 4, seed=0)
    micro_batches = MicroBatches(sequences, order, devices=2, pad_id=0, hidden_size=64)
    assert [micro_batches[number] for number in range(len(micro_batches))] == [0, 0, 1, 1, 2, 2, 3, 3]
    for step in range(4):
        batches = [batch for device in range(2) for batch in micro_batches.of_step(step, device, per_device=2)]
        assert micro_batches.target_tokens(step) == sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
        seen = [set(batch["input_ids"].unique().tolist()) - {0} for batch in batches]
        assert len(seen) == 4
        assert sorted(number for part in seen for number in part) == sorted(set(order[step] + 1))
