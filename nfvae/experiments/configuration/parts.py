"""Check and build the parts that a configuration names.

A section such as `flow: {name: planar, constraint: paper}` names an entry of a registry. Its other
keys are that entry's options, whose ranges are the annotations of its arguments.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pydantic import create_model

from nfvae.data import DATASETS, Dataset, load_dataset
from nfvae.experiments.configuration.sections import Section, check_section
from nfvae.experiments.errors import ConfigError, one_line
from nfvae.flows import FLOWS, Compose, Flow
from nfvae.images import ImageShape
from nfvae.likelihoods import LIKELIHOODS
from nfvae.networks import NETWORKS, Networks
from nfvae.priors import PRIORS
from nfvae.registry import Registry


class FlowSize(NamedTuple):
    """Size of a flow with all its K transforms."""

    param_size: int
    """Parameters per image, from the encoder."""
    num_weights: int
    """The flow's own weights."""
    working_size: int
    """Numbers per image that a call holds besides parameters and points."""


REGISTRIES = {
    "data": DATASETS,
    "model": NETWORKS,
    "likelihood": LIKELIHOODS,
    "flow": FLOWS,
    "prior": PRIORS,
}
"""The sections that name an entry of a registry."""
_SCHEMAS: dict[tuple[Any, ...], type[Section]] = {}
"""By entry and additional keys; the runs of a sweep share them."""
_SIZES: dict[tuple[Any, ...], FlowSize] = {}
"""By flow, with its options, dimension and K."""


def check_part(
    registry: Registry, at: str, section: Mapping[str, Any], **more: tuple[Any, Any]
) -> dict[str, Any]:
    """A section with its options checked and their defaults filled in.

    Args:
        registry: where the name is looked up.
        at: the section's key, for messages.
        section: `name` and options.
        more: type and default of keys that the section has besides the options.
    """
    options = dict(section)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in registry:
        known = ", ".join(sorted(registry))
        raise ConfigError(f"{at}.name={one_line(name)} is unknown; known: {known}")
    made_for = registry[name], *more
    if made_for not in _SCHEMAS:
        fields = {key: tuple(option) for key, option in registry.options(name).items()} | more
        _SCHEMAS[made_for] = create_model(name, __base__=Section, **fields)  # type: ignore[call-overload]
    return {"name": name} | check_section(_SCHEMAS[made_for], options, at).model_dump()


def check_flow(flow: Mapping[str, Any], K: int | None) -> tuple[dict[str, Any], int]:
    """A flow's section and its number of transforms, checked.

    `compose` is a list of flows, each with its K, and K is their sum.
    """
    if flow.get("name") != "compose":
        if K is None:
            raise ConfigError("K must be given: the number of transforms of the flow")
        return check_part(FLOWS, "flow", flow), K
    parts = flow.get("flows")
    if not isinstance(parts, list) or not parts or flow.keys() != {"name", "flows"}:
        raise ConfigError(
            "flow=compose needs a list of flows, each with its K, as in "
            "'flow.flows=[{name: planar, K: 8}, {name: iaf, K: 2}]'"
        )
    checked, total = [], 0
    for index, part in enumerate(parts):
        own = dict(part) if isinstance(part, Mapping) else {}
        k = own.pop("K", None)
        if type(k) is not int or not 0 <= k <= 10**12:
            raise ConfigError(f"flow.flows.{index} needs a K, an integer of at least 0")
        checked.append(check_part(FLOWS, f"flow.flows.{index}", own) | {"K": k})
        total += k
    if K is not None and total != K:
        raise ConfigError(f"K={K} but the flows of flow=compose have {total} in all; leave K out")
    return {"name": "compose", "flows": checked}, total


def build_part(at: str, section: Mapping[str, Any], *args: Any) -> Any:
    """The part of a checked section, built with these arguments and the section's options."""
    options = dict(section)
    name = options.pop("name")
    try:
        return REGISTRIES[at][name](*args, **options)
    except ValueError as error:
        raise ConfigError(f"{at}={name}: {error}") from None


def build_flow(flow: Mapping[str, Any], dim: int, K: int) -> Flow:
    """The flow of a checked section, on R^dim with K transforms."""
    if flow["name"] == "compose":
        parts = [dict(part) for part in flow["flows"]]
        return Compose([build_flow(part, dim, part.pop("K")) for part in parts])
    built: Flow = build_part("flow", flow, dim, K)
    return built


def build_networks(
    model: Mapping[str, Any], image_shape: ImageShape, out_channels: int
) -> Networks:
    """The encoder and decoder of a checked section."""
    options = dict(model)
    dim = options.pop("latent_dim")
    networks: Networks = build_part("model", options, image_shape, dim, out_channels)
    return networks


def read_data(section: Mapping[str, Any]) -> Dataset:
    """The data set of a checked section."""
    options = dict(section)
    try:
        return load_dataset(options.pop("name"), **options)
    except ValueError as error:
        raise ConfigError(f"data={section['name']}: {error}") from None


def flow_size(flow: Mapping[str, Any], dim: int, K: int) -> FlowSize:
    """The size of the flow that `build_flow` would build; fast and without memory for any K.

    Sizes are quadratic in K, some only for even K (then the size for odd K is off by half a
    transform). So the flow is built with 2, 4 and 6 transforms, with tensors without storage.
    """
    if flow["name"] == "compose":
        parts = [dict(part) for part in flow["flows"]]
        sizes = [flow_size(part, dim, part.pop("K")) for part in parts]
        return FlowSize(*map(sum, zip(*sizes, strict=True)))
    if K <= 6:
        return _measured(flow, dim, K)
    try:
        measured = [_measured(flow, dim, k) for k in (2, 4, 6)]
    except ConfigError:
        return _measured(flow, dim, K)  # raises the error of a family that allows only some K
    return FlowSize(
        *(
            two + (four - two) * (K - 2) // 2 + (six - 2 * four + two) * (K - 2) * (K - 4) // 8
            for two, four, six in zip(*measured, strict=True)
        )
    )


def _measured(flow: Mapping[str, Any], dim: int, K: int) -> FlowSize:
    measured = FLOWS[flow["name"]], json.dumps([flow, dim, K])
    if measured not in _SIZES:
        keys = {"flow": flow["name"]} | sizes(flow)
        built = without_memory(lambda: build_flow(flow, dim, K), keys)
        num_weights = sum(weight.numel() for weight in built.parameters())
        _SIZES[measured] = FlowSize(built.param_size, num_weights, built.working_size)
    return _SIZES[measured]


def without_memory(build: Callable[[], Any], keys: Mapping[str, object]) -> Any:
    """The result of `build`, with tensors that have shapes but no storage.

    If a tensor has more than 2⁶³ numbers, the error names the keys.
    """
    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, TypeError, OverflowError):
        stated = " ".join(f"{key}={value}" for key, value in keys.items())
        raise ConfigError(
            f"{stated} need more memory than any machine has; make some of them smaller"
        ) from None


def sizes(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a flow that are sizes of its networks, by key."""
    return {f"flow.{key}": value for key, value in flow.items() if key.endswith("_size")}
