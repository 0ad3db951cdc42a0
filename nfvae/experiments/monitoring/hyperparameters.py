"""A configuration as flat names and values, for comparing the runs of a sweep."""

from nfvae.experiments.configuration.config import Config
from nfvae.experiments.storage.config_file import flatten
from nfvae.experiments.storage.same_run import changes_numbers

# Keys that do not affect training.
LEFT_OUT = ("eval.", "data.name", "data.root")


def hyperparameters(config: Config) -> dict[str, str | float]:
    """Numbers and strings by dotted name, with the same names for every flow.

    A flow's options are one string, since each family has others. Without separate settings for the
    decoder, its columns show the common ones, so that they are numbers, which can be sorted.
    """
    mapping = config.model_dump(mode="json")
    for name in ("lr", "weight_decay"):
        if mapping["optim"][f"decoder_{name}"] is None:
            mapping["optim"][f"decoder_{name}"] = mapping["optim"][name]
    options = {key: value for key, value in mapping.pop("flow").items() if key != "name"}
    named: dict[str, str | float] = {
        "flow": config.flow["name"],
        "flow.options": " ".join(
            f"{key.removeprefix('flow.')}={value}"
            for key, value in flatten(options, "flow.")
            if changes_numbers(key)
        ),
    }
    for key, value in flatten(mapping):
        if changes_numbers(key) and not key.startswith(LEFT_OUT) and not key.endswith("_every"):
            named[key] = value if isinstance(value, str | int | float) else str(value)
    return named
