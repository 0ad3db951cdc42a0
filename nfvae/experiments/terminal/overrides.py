"""Overrides as Hydra writes and reads them."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString


def overrides() -> list[str]:
    """The overrides of the command line, normalised as in a sweep: lr=1e-3 becomes lr=0.001."""
    typed = OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))
    return [f"{each.get_key_element()}={each.get_value_element_as_str()}" for each in typed]


def hydra_override(key: str, value: str) -> str:
    """`key=value` with quotes around the value, so that Hydra reads it as this string."""
    quoted = QuotedString(value.replace("${", r"\${"), Quote.single)
    return f"{key}={quoted.with_quotes()}"


def run_argument(path: Path) -> str:
    """A run's folder as an argument of evaluate, picture or posterior_2d."""
    text = str(path)
    if "=" in text or text.startswith("~"):
        return hydra_override("run", text)
    return f"./{text}" if text.startswith("-") else text
