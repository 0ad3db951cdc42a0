"""Links, files and pages that the documentation names exist; the front page is short."""

import re

import pytest

from .pages import PAGES, README, REFERENCE, ROOT

NOTES = [*PAGES, REFERENCE / "rezende2015_tried" / "README.md"]
INDEX = ROOT / "docs" / "README.md"


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", NOTES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_links_exist(page):
    text = page.read_text()
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", text):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link
    for named in re.findall(r"`((?:nfvae|tests|conf|scripts|outputs/reference)/[\w/.]+)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("index", [README, INDEX], ids=["front page", "index"])
def test_every_page_is_listed(index):
    listed = {
        (index.parent / link).resolve()
        for link in re.findall(r"\]\(([\w/.]+\.md)\)", index.read_text())
    }
    assert listed >= set(PAGES) - {README, INDEX}


def test_the_front_page_is_short():
    assert len(README.read_text().split()) < 1000
