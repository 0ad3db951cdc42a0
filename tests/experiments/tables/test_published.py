"""The published numbers agree: −ELBO − NLL is the gap, up to reading and rounding errors."""

import re

import pytest

from nfvae.experiments.tables.published import PUBLISHED, REZENDE_MOHAMED_2015, number

SOURCES = pytest.mark.parametrize("source", PUBLISHED, ids=lambda source: source.key)


def test_gap_is_the_difference():
    for values in REZENDE_MOHAMED_2015.values.values():
        neg_elbo, nll, gap = (number(values[name]) for name in ("neg_elbo", "nll", "gap"))
        assert abs(neg_elbo - nll - gap) < 2 * 0.03 + 0.05


@SOURCES
def test_longer_flows_are_better(source):
    for flow in {flow for flow, _ in source.values} - {"none"}:
        curve = sorted((K, v) for (name, K), v in source.values.items() if name in (flow, "none"))
        for quantity in source.quantities:
            column = [number(values[quantity]) for _, values in curve]
            assert column == sorted(column, reverse=True)


@SOURCES
def test_the_note_says_where_the_numbers_stand(source):
    assert re.search("table", source.protocol)
    assert not source.protocol.endswith(".")


def test_a_deviation_is_not_a_part_of_the_number():
    assert (number("84.45 ± 0.12"), number("89.9")) == (84.45, 89.9)
