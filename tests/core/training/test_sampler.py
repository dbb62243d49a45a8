from collections import Counter

import pytest

from core.training.sampler import EpochSampler, repeat_factors


def requests_of(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_the_same_seed_and_epoch_give_the_same_order():
    first, second = EpochSampler([1.0] * 50, seed=3), EpochSampler([1.0] * 50, seed=3)
    assert requests_of(first, 7) == requests_of(second, 7)


def test_epochs_and_seeds_give_other_orders_of_the_same_samples():
    sampler = EpochSampler([1.0] * 50, seed=3)
    orders = [[index for _, index in requests_of(sampler, epoch)] for epoch in (0, 1)]
    orders.append([index for _, index in requests_of(EpochSampler([1.0] * 50, seed=4), 0)])
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_every_request_names_its_epoch():
    assert {epoch for epoch, _ in requests_of(EpochSampler([1.0] * 5), 9)} == {9}
    assert {epoch for epoch, _ in EpochSampler([1.0] * 5, epoch=4)} == {4}


def test_without_shuffling_the_order_is_that_of_the_data():
    sampler = EpochSampler([1.0, 2.0, 1.0], shuffle=False)
    assert list(sampler) == [(0, 0), (0, 1), (0, 1), (0, 2)]


def test_a_fraction_is_a_second_time_now_and_then():
    sampler = EpochSampler([1.3] * 20)
    assert len(sampler) == 26
    taken = Counter(index for epoch in range(200) for _, index in requests_of(sampler, epoch))
    assert sum(taken.values()) == 200 * 26
    for count in taken.values():
        assert count / 200 == pytest.approx(1.3, abs=0.15)
    assert set(Counter(index for _, index in requests_of(sampler, 0)).values()) == {1, 2}


def test_a_small_share_takes_a_few_of_many():
    sampler = EpochSampler([1.0] * 10 + [0.08] * 100)
    indices = [index for _, index in requests_of(sampler, 0)]
    assert len(indices) == len(sampler) == 18
    assert sorted(indices)[:10] == list(range(10)) and len(set(indices)) == 18


@pytest.mark.parametrize("repeats", [[0.5], [0.4], [1.0, 0.0], [2.5, 0.5, 1.49], []])
@pytest.mark.parametrize("seed", range(3))
def test_an_epoch_is_as_long_as_it_says(repeats, seed):
    sampler = EpochSampler(repeats, seed)
    assert len(requests_of(sampler, 1)) == len(sampler)


def test_repeat_factors_by_hand():
    # Of five photos all hold class 0, two class 1 and one class 2: sqrt(0.8 / 0.4) and sqrt(0.8 / 0.2).
    photos = [[0], [0, 0], [0, 1], [1, 0, 1], [0, 2]]
    assert repeat_factors(photos, 0.8) == pytest.approx([1, 1, 2**0.5, 2**0.5, 2])


def test_a_photo_without_classes_is_taken_once():
    assert repeat_factors([[], [0]], 0.9) == pytest.approx([1, (0.9 / 0.5) ** 0.5])
    assert repeat_factors([], 0.5) == []
    assert repeat_factors([[0], [1]], 0.0) == [1, 1]


def test_devices_share_a_pass_without_taking_a_sample_twice():
    whole = requests_of(EpochSampler([1.0] * 11, seed=4), 2)
    parts = [requests_of(EpochSampler([1.0] * 11, seed=4, rank=rank, devices=2), 2) for rank in range(2)]
    assert [len(part) for part in parts] == [5, 5]
    assert sorted(parts[0] + parts[1]) == sorted(whole[:10])
