"""The documentation as tests see it: pages and their code blocks."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "outputs" / "reference"
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HOW_TO = [page for page in PAGES if page.stem.startswith("own_")]
"""Pages whose commands are run; on the others they are composed."""


class Block(NamedTuple):
    """A fenced code block."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, if its first line is a comment with nothing but a file name."""
        named = re.match(r"# ([\w./]+\.\w+)\n", self.text)
        return named and named[1]


def blocks(page: Path) -> list[Block]:
    return [
        Block(*found)
        for found in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    ]


def commands(page: Path) -> list[tuple[str, str]]:
    """Name and arguments of each `python scripts/NAME.py …` of a page's bash blocks."""
    text = "".join(block.text for block in blocks(page) if block.language == "bash")
    return re.findall(r"^python scripts/(\w+)\.py ?(.*)$", text, re.M)
