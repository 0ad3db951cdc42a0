"""A sweep as its files show it, and a page as a browser reads it."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import product

import pytest

from nfvae.experiments.storage.failure import NAME

FETCHING = {"src", "href", "srcset", "poster", "action", "background", "data", "cite", "manifest"}


@dataclass
class Page:
    """Parts of a page: tables by their section's id as rows of text, and what it would fetch."""

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.page = Page()
        self.section, self.cell = "", None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.page.tags.append(tag)
        self.page.fetched += [value for name, value in attrs if name in FETCHING]
        if "id" in given:
            self.page.ids.append(given["id"])
        if tag == "section":
            self.section = given["id"]
        if tag == "tr":
            self.page.tables.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.page.tables[self.section][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def handle_data(self, data):
        self.page.text += data
        if self.cell is not None:
            self.cell.append(data)


@pytest.fixture
def read_page():
    def read(text: str) -> Page:
        reader = _Reader()
        reader.feed(text)
        return reader.page

    return read


def log_lines(steps, K, seed):
    """metrics.jsonl of a run whose bound falls."""
    for step in steps:
        values = {"val/neg_elbo": 100 - step / 1000 - K / 10 + seed, "val/active_units": 20.0}
        values |= {"val/distortion": 70.0, "val/kl": 25.0, "val/log_det": 1.0}
        values |= {f"flow/log_det_step_{k:02}": 0.1 * k for k in range(1, K + 1)}
        yield json.dumps({"step": step, **values}) + "\n"


@pytest.fixture
def sweep(tmp_path, write_run, write_unfinished):
    """Two seeds of none and of planar at K = 10 and 20: one failed, one cut off, one missing."""
    for flow, K, seed in [("none", 0, 0), ("none", 0, 1), *product(["planar"], [10, 20], [0])]:
        numbers = {"neg_elbo": 91.2345 - K / 10 + seed, "nll": 87.5 - K / 10, "kl": 25.111}
        extra = {"train_seconds": 90.0, "sum_log_det": -0.5, "git_commit": "abc", "device": "cpu"}
        folder = write_run(
            f"sweep/{flow}_{K}_{seed}", {}, flow=flow, K=K, seed=seed, **numbers, **extra
        )
        (folder / "metrics.jsonl").write_text("".join(log_lines(range(1000, 9000, 1000), K, seed)))
    log = "".join(log_lines([1000, 2000], 10, 1))
    failed = write_unfinished("sweep/planar_10_1", log, K=10, seed=1)
    (failed / NAME).write_text("loss was not finite at step 2100; <b>training</b> stopped\n")
    write_unfinished("sweep/planar_40_0", log, K=40, seed=0)
    return tmp_path / "sweep"
