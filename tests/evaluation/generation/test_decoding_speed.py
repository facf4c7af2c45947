"""What makes decoding on a CPU faster changes no result: packed weights, attention in groups, joined caches."""

import weakref

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from feyntune.evaluation.generation import grouped_attention, packed_linear
from feyntune.evaluation.generation.grouped_attention import attending, groups_of, use_groups
from feyntune.evaluation.generation.kv_cache import SPARE_COLUMNS, empty_cache, join_caches
from feyntune.evaluation.generation.packed_linear import PackedLinear, pack_linears


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_packed_weights_multiply_as_before(bias, rows):
    torch.manual_seed(0)
    linear = torch.nn.Linear(33, 50, bias=bias)
    values = torch.randn(rows, 2, 33)
    with torch.inference_mode():
        assert PackedLinear(linear)(values) == pytest.approx(linear(values), abs=1e-5)


def test_only_float32_linear_layers_are_packed():
    class Own(torch.nn.Linear):
        pass

    model = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4, dtype=torch.bfloat16), Own(4, 4)])
    assert pack_linears(model) == 1
    assert [type(each) for each in model] == [PackedLinear, torch.nn.Linear, Own]


def test_never_more_than_one_layer_is_there_twice(monkeypatch):
    model = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(3)))
    weights = [weakref.ref(each.weight) for each in model]
    there = []

    def pack(linear):
        there.append(sum(weight() is not None for weight in weights))
        return torch.nn.Identity()

    monkeypatch.setattr(packed_linear, "PackedLinear", pack)
    assert pack_linears(model) == 3 and there == [3, 2, 1]


def test_groups_are_neighbours_with_the_first_column_that_one_of_them_uses():
    assert groups_of([0, 1, 4, 9, 9]) == [(slice(0, 2), 0), (slice(2, 4), 4), (slice(4, 6), 9)]
    assert groups_of([3]) == [(slice(0, 2), 3)]
    assert len(groups_of(list(range(64)))) == grouped_attention.MOST_GROUPS


@pytest.mark.parametrize("heads", [2, 4])
def test_attention_in_groups_is_attention(heads):
    """Rows of lengths 9, 7, 3, 2, 2, which end in the same column; four query heads on two or four key heads."""
    torch.manual_seed(0)
    padding = [0, 2, 6, 7, 7]
    query, key, value = (torch.randn(5, count, width, 8) for count, width in ((4, 1), (heads, 9), (heads, 9)))
    mask = (torch.arange(9) >= torch.tensor(padding)[:, None])[:, None, None]
    module = torch.nn.Module()
    module.num_key_value_groups = 4 // heads
    whole = sdpa_attention_forward(module, query, key, value, mask)[0]
    key[2:, :, :6] = torch.nan  # what no row of a group uses is not read
    value[2:, :, :6] = torch.nan
    with attending(groups_of(padding)):
        assert grouped_attention.attention(module, query, key, value, mask)[0] == pytest.approx(whole, abs=1e-6)
    assert not grouped_attention.attention(module, query, key, value, mask)[0][2:].isfinite().any()


def test_a_model_attends_in_groups_only_where_it_uses_sdpa(tiny_model):
    for wanted, then in (("sdpa", grouped_attention.NAME), ("eager", "eager")):
        model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation=wanted)
        use_groups(model)
        assert model.config._attn_implementation == then


def test_joined_rows_end_in_the_same_column_after_zeros():
    first, second = empty_cache(), empty_cache()
    keys = torch.arange(24.0).reshape(2, 1, 4, 3)
    first.update(keys, -keys, 0)
    second.update(keys[:1] + 100, keys[:1] + 200, 0)
    joined = join_caches([(second, 0), (first, 1)], [4, 2])
    layer = joined.layers[0]
    assert layer.get_seq_length() == 4 and layer.buffers[0].shape[2] == 4 + SPARE_COLUMNS
    assert torch.equal(layer.keys[0], keys[0] + 100) and torch.equal(layer.values[0], keys[0] + 200)
    assert torch.equal(layer.keys[1, :, 2:], keys[1, :, 2:]) and torch.equal(layer.values[1, :, 2:], -keys[1, :, 2:])
    assert not layer.keys[1, :, :2].any()
    assert not any(cache.layers[0].is_initialized for cache in (first, second))


def filled_cache(rows, columns, layers):
    cache = empty_cache()
    for layer in range(layers):
        cache.update(torch.randn(rows, 2, columns, 3), torch.randn(rows, 2, columns, 5), layer)
    return cache


def columns_of(cache, row, length):
    return [each[row, :, -length:].clone() for layer in cache.layers for each in (layer.keys, layer.values)]


def test_joining_again_and_again_in_used_memory_keeps_every_row():
    torch.manual_seed(0)
    cache, lengths = filled_cache(3, 9, layers=4), [9, 9, 9]
    for kept, wanted in (([0, 2], [9, 4]), ([1], [6]), ([0], [70])):
        new = filled_cache(2, max(wanted), layers=4)
        sources = [(cache, row) for row in kept] + [(new, 0), (new, 1)]
        lengths = [min(lengths[row], length) for row, length in zip(kept, wanted, strict=False)] + [max(wanted), 2]
        expected = [columns_of(*source, length) for source, length in zip(sources, lengths, strict=True)]
        cache = join_caches(sources, lengths)
        for row, (length, columns) in enumerate(zip(lengths, expected, strict=True)):
            found = columns_of(cache, row, length)
            assert all(torch.equal(one, other) for one, other in zip(found, columns, strict=True))
            assert not any(layer.keys[row, :, : max(lengths) - length].any() for layer in cache.layers)
        cache.update(torch.ones(len(lengths), 2, 1, 3), torch.ones(len(lengths), 2, 1, 5), 0)
        assert cache.layers[0].keys[:, :, -1].eq(1).all()
        for layer in range(1, 4):
            cache.update(torch.ones(len(lengths), 2, 1, 3), torch.ones(len(lengths), 2, 1, 5), layer)
        lengths = [length + 1 for length in lengths]


def test_a_joined_layer_uses_the_memory_of_the_layer_before():
    cache = filled_cache(2, 9, layers=3)
    before = [layer.buffers[1].data_ptr() for layer in cache.layers]
    joined = join_caches([(cache, 1)], [9])
    assert [layer.buffers[0].data_ptr() for layer in joined.layers][1:] == before[:-1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_mask_of_a_new_token_is_added(tiny_model, dtype):
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype)
    ids = torch.arange(8)[None].repeat(2, 1) + 3
    mask = torch.tensor([[1] * 8, [0] * 3 + [1] * 5])
    logits = []
    for _ in range(2):
        with torch.inference_mode():
            cache = model(ids[:, :7], attention_mask=mask[:, :7], use_cache=True).past_key_values
            logits.append(model(ids[:, 7:], attention_mask=mask, past_key_values=cache).logits)
        use_groups(model)
    assert model.config._attn_implementation == grouped_attention.NAME
    assert torch.equal(*logits)
