"""The published numbers agree: −ELBO − NLL is the gap, up to reading and rounding errors."""

import pytest

from nfvae.experiments.tables import PUBLISHED


@pytest.mark.parametrize("source", PUBLISHED, ids=lambda source: source.key)
def test_gap_is_the_difference(source):
    for values in source.values.values():
        reading = 2 * 0.03 + 0.5 * 10 ** -source.digits["nll"]
        assert abs(values["neg_elbo"] - values["nll"] - values["gap"]) < reading


@pytest.mark.parametrize("source", PUBLISHED, ids=lambda source: source.key)
def test_longer_flows_are_better(source):
    for flow in {flow for flow, _ in source.values} - {"none"}:
        curve = sorted((K, v) for (name, K), v in source.values.items() if name in (flow, "none"))
        for quantity in ("neg_elbo", "nll", "gap"):
            column = [values[quantity] for _, values in curve]
            assert column == sorted(column, reverse=True)
