"""A configuration as flat names and values: what two runs of a sweep can differ in."""

from nfvae.experiments.config import Config
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers

# What is not about how a model is trained; the fewer columns a table has, the better it is read.
LEFT_OUT = ("eval.", "data.name", "data.root")


def hyperparameters(config: Config) -> dict[str, str | float]:
    """Numbers and strings under dotted names, the same names for every configuration.

    A flow's options are one string, since each family has its own. A decoder without settings of
    its own has those of the rest: a column of numbers can be sorted and plotted by.
    """
    mapping = config.model_dump(mode="json")
    for name in ("lr", "weight_decay"):
        if mapping["optim"][f"decoder_{name}"] is None:
            mapping["optim"][f"decoder_{name}"] = mapping["optim"][name]
    options = dict(mapping.pop("flow"))
    named: dict[str, str | float] = {
        "flow": options.pop("name"),
        "flow.options": " ".join(f"{key}={value}" for key, value in options.items()),
    }
    for key, value in flatten(mapping):
        if changes_numbers(key) and not key.startswith(LEFT_OUT) and not key.endswith("_every"):
            named[key] = value if isinstance(value, str | int | float) else str(value)
    return named
