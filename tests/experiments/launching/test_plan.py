from nfvae.experiments.launching.composing import Composed
from nfvae.experiments.launching.plan import without_duplicates, without_repetitions


def jobs(*models, **other):
    return [
        Composed({"flow": {"name": name}, "K": K, "run": {"dir": f"{name}{K}"}} | other, ())
        for name, K in models
    ]


def names(kept):
    return [(job.mapping["flow"]["name"], job.mapping["K"]) for job in kept]


def test_q0_alone_is_trained_once():
    swept = jobs(("planar", 0), ("planar", 10), ("none", 0), ("none", 10), ("radial", 0))
    assert names(without_repetitions(swept)) == [("planar", 10), ("none", 0)]


def test_without_flow_none_the_first_flow_with_k_0_is_kept():
    swept = jobs(("planar", 0), ("radial", 0), ("radial", 2))
    assert names(without_repetitions(swept)) == [("planar", 0), ("radial", 2)]


def test_flow_none_has_no_transforms_in_any_sweep():
    swept = jobs(("none", 2), ("none", 3), ("planar", 2))
    assert names(without_repetitions(swept)) == [("planar", 2)]


def test_runs_that_differ_in_anything_else_are_all_kept():
    swept = jobs(("none", 0), seed=0) + jobs(("none", 0), seed=1)
    assert without_repetitions(swept) == swept


def test_values_given_twice_are_one_run():
    swept = jobs(("planar", 2), ("planar", 3), ("planar", 2))
    assert without_duplicates(swept) == swept[:2]
