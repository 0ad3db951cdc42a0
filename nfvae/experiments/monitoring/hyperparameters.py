"""A configuration as flat names and values, for comparing the runs of a sweep."""

from nfvae.experiments.configuration.config import Config
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers

# Keys that do not say how a model is trained.
LEFT_OUT = ("eval.", "data.name", "data.root")


def hyperparameters(config: Config) -> dict[str, str | float]:
    """Numbers and strings under dotted names, the same names for every flow.

    A flow's options are one string, since each family has its own. A decoder without settings of
    its own shows the common ones, so that its columns are numbers, which can be sorted and plotted.
    """
    mapping = config.model_dump(mode="json")
    for name in ("lr", "weight_decay"):
        if mapping["optim"][f"decoder_{name}"] is None:
            mapping["optim"][f"decoder_{name}"] = mapping["optim"][name]
    options = dict(mapping.pop("flow"))
    named: dict[str, str | float] = {
        "flow": options.pop("name"),
        "flow.options": " ".join(
            f"{key}={value}" for key, value in options.items() if changes_numbers(f"flow.{key}")
        ),
    }
    for key, value in flatten(mapping):
        if changes_numbers(key) and not key.startswith(LEFT_OUT) and not key.endswith("_every"):
            named[key] = value if isinstance(value, str | int | float) else str(value)
    return named
