"""Pieces of work on several threads: order, progress, and how they end."""

import time
from dataclasses import replace

import pytest
import torch

from nfvae.data import Split
from nfvae.evaluation import estimate_nll
from nfvae.evaluation.threads import map_in_threads


def square(piece, report):
    report(1)
    return piece * piece


@pytest.fixture(params=[1, 3])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_are_in_order_and_progress_is_complete(num_threads):
    progress = []
    results = map_in_threads(square, range(20), num_threads, progress.append)
    assert results == [piece * piece for piece in range(20)]
    assert progress == [1] * 20
    assert torch.get_num_threads() == num_threads


def test_no_pieces(num_threads):
    assert map_in_threads(square, [], num_threads, lambda amount: None) == []


def test_the_first_error_stops_the_others(num_threads):
    started = []

    def work(piece, report):
        started.append(piece)
        if piece == 2:
            raise ValueError("piece 2")
        time.sleep(0.01)
        report(1)

    with pytest.raises(ValueError, match="piece 2"):
        map_in_threads(work, range(1000), num_threads, lambda amount: None)
    assert len(started) < 20
    assert torch.get_num_threads() == num_threads


def test_an_error_of_the_caller_stops_a_long_piece(num_threads):
    def endless(piece, report):
        while True:
            report(1)
            time.sleep(0.001)

    def enough(amount):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_in_threads(endless, range(5), num_threads, enough)


def test_each_thread_computes_on_one_core_without_gradients(num_threads):
    def work(piece, report):
        return torch.get_num_threads(), torch.is_inference_mode_enabled()

    results = map_in_threads(work, range(6), num_threads, lambda amount: None)
    assert set(results) == {(1, True)}


def test_the_nll_does_not_depend_on_the_threads(tiny_vae):
    torch.manual_seed(0)
    vae = tiny_vae().float()
    split = Split(255 * (torch.rand(57, 1, 4, 5) < 0.4).byte(), torch.zeros(57))
    estimates = []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        estimates.append(estimate_nll(vae, split, 300, torch.Generator().manual_seed(0)))
    torch.set_num_threads(1)
    assert estimates[0] == estimates[1]
    other = replace(split, images=split.images.flip(0))
    assert estimate_nll(vae, other, 300, torch.Generator().manual_seed(0)) != estimates[0]
