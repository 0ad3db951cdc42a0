from itertools import count

import pytest

from nfvae.experiments.benchmark.timing import interleaved


def test_medians_of_rounds_that_run_every_case():
    order, now = [], [0.0]
    durations = {"a": iter([9, 9, 1, 5, 2]), "b": iter([9, 9, 3, 3, 8])}

    def case(name):
        def run():
            order.append(name)
            now[0] += next(durations[name])

        return run

    medians = interleaved({"a": case("a"), "b": case("b")}, repeats=3, clock=lambda: now[0])
    assert medians == {"a": 2, "b": 3}  # two rounds of warm-up are left out
    assert order == ["a", "b"] * 5


def test_an_error_in_a_case_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        interleaved({"a": lambda: 1 / 0}, repeats=1, clock=count().__next__)
