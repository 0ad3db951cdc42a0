"""The configuration's types and ranges, checked before any work.

Hydra composes YAML and command line into a plain mapping; `parse_config` turns it into `Config` or
into one line that names the key, the value and what is allowed.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_args

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from nfvae.data.dataset import Binarization
from nfvae.experiments.errors import ConfigError, one_line
from nfvae.experiments.name import Name
from nfvae.flows import FLOWS, Flow
from nfvae.networks.mlp import Activation
from nfvae.objective import AnnealingKind

S = TypeVar("S", bound=BaseModel)

Positive = Annotated[int, Field(ge=1, le=10**12)]
NumThreads = Annotated[int, Field(ge=1, le=1024)]
NumTransforms = Annotated[int, Field(ge=0, le=10**12)]
Size = Annotated[int, Field(ge=1, le=100_000)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
WeightDecay = Annotated[float, Field(ge=0)]
Checkpoint = Literal["best", "last"]
Device = Literal["auto", "cpu", "cuda"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

# What an optimizer does not use must stay as it is, lest it seem to.
IDLE = {"adam": ("momentum", 0.0, "rmsprop"), "rmsprop": ("betas", [0.9, 0.999], "adam")}


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataConfig(Section):
    """What is learned, and how its grey pixels become bits."""

    name: Literal["mnist"]
    root: str | None
    binarization: Binarization
    train_on_val: bool = False


class ModelConfig(Section):
    """The networks around the flow."""

    name: Literal["mlp"]
    latent_dim: Size
    hidden: Annotated[list[Size], Field(min_length=1, max_length=100)]
    activation: Activation


class OptimConfig(Section):
    """Optimizer, its schedule, and gradient clipping (null: none)."""

    name: Literal["adam", "rmsprop"]
    lr: LearningRate
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)]
    momentum: Fraction
    weight_decay: WeightDecay
    warmup_steps: Annotated[int, Field(ge=0)]
    decay: Literal["none", "cosine"]
    grad_clip: Annotated[float, Field(gt=0)] | None

    @model_validator(mode="after")
    def _nothing_idle(self) -> Self:
        key, idle, other = IDLE[self.name]
        if getattr(self, key) != idle:
            raise ValueError(f"takes no {key} with name={self.name}: it is {other}'s")
        return self


class VAEOptimConfig(OptimConfig):
    """The same for a VAE, whose decoder may have a rate and decay of its own (null: no others)."""

    decoder_lr: LearningRate | None = None
    decoder_weight_decay: WeightDecay | None = None


class ObjectiveConfig(Section):
    """The bound that is maximised: its samples an image and its annealing."""

    num_samples: Positive
    annealing: AnnealingKind
    annealing_start: Annotated[float, Field(ge=0, le=1)]
    annealing_steps: Positive


class TrainerConfig(Section):
    """How long, in what portions, and how often to look up."""

    max_steps: Positive
    max_epochs: Positive | None
    batch_size: Positive
    log_every: Positive
    val_every: Positive
    checkpoint_every: Positive
    early_stopping: Positive | None
    on_nan: Literal["stop", "rewind"] = "stop"
    max_rewinds: Positive = 3
    num_threads: NumThreads | None
    compile: bool = False
    progress: bool


class MeasureConfig(Section):
    """How a model is measured on a split."""

    elbo_draws: Annotated[int, Field(ge=1, le=10_000)]  # drawn together
    num_samples: Annotated[int, Field(ge=0)]
    seed: Seed


class EvalConfig(MeasureConfig):
    """The final measurement, on the test split, and of which checkpoint."""

    checkpoint: Checkpoint


class RunConfig(Section):
    """Where the run lives: a folder, or a name below outputs/; both null: from the overrides.

    num_workers is how many runs of a sweep go on at once; null: one a core.
    """

    dir: Annotated[str, Field(min_length=1)] | None  # "" would be the current folder
    name: Name | None
    num_workers: NumThreads | None = None

    @field_validator("dir")
    @classmethod
    def _good_path(cls, path: str | None) -> str | None:
        if path is not None and any(len(part.encode()) > 255 for part in Path(path).parts):
            raise ValueError("has a name of more than 255 bytes in it; choose a shorter one")
        return path

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.dir is not None and self.name is not None:
            raise ValueError("takes dir or name, not both")
        return self


class Config(Section):
    """Everything a training run depends on."""

    K: NumTransforms
    seed: Seed
    device: Device
    protocol: Name | None = None  # a label: the settings themselves are in the sections
    run: RunConfig
    data: DataConfig
    model: ModelConfig
    flow: dict[str, Any]
    optim: VAEOptimConfig
    objective: ObjectiveConfig
    trainer: TrainerConfig
    eval: EvalConfig


def parse_config(mapping: Mapping[str, Any]) -> Config:
    """Check a composed configuration.

    Raises:
        ConfigError: an unknown key, a wrong type, a value out of range, or parts that do not fit.
    """
    config = check_section(Config, mapping)
    if config.data.train_on_val:
        _check_without_validation(config)
    flow_size(config.flow, config.model.latent_dim, config.K)
    return config


def _check_without_validation(config: Config) -> None:
    if config.eval.checkpoint == "best":
        raise ConfigError(
            "data.train_on_val=true leaves no images to tell which checkpoint is best; "
            "give eval.checkpoint=last with it"
        )
    if config.trainer.early_stopping is not None:
        raise ConfigError(
            f"trainer.early_stopping={config.trainer.early_stopping} needs validation images, and "
            "data.train_on_val=true leaves none; give trainer.early_stopping=null with it"
        )


def check_section(schema: type[S], mapping: Mapping[str, Any], at: str = "") -> S:
    """Check one section against its schema; `at` is its place, for the message."""
    try:
        return schema.model_validate(dict(mapping))
    except ValidationError as error:
        raise ConfigError(_first_error(error, schema, at)) from None


def build_flow(flow: Mapping[str, Any], dim: int, num_transforms: int) -> Flow:
    """The flow that `flow.name` and its options describe, on R^dim with K steps.

    Raises:
        ConfigError: no such family, an option it does not have, or options that do not fit.
    """
    options = dict(flow)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in FLOWS:
        raise ConfigError(
            f"flow.name={one_line(name)} is unknown; known: {', '.join(sorted(FLOWS))}"
        )
    family = FLOWS[name]
    checked = check_section(_options_schema(family), options, at="flow").model_dump()
    try:
        return family(dim, num_transforms, **checked)
    except ValueError as error:
        raise ConfigError(f"flow={name}: {error}") from None


class FlowSize(NamedTuple):
    """Of a flow with all its K steps."""

    param_size: int
    """Numbers an image that it takes from the encoder."""
    num_weights: int
    """Weights of its own."""


def flow_size(flow: Mapping[str, Any], dim: int, num_transforms: int) -> FlowSize:
    """The size of what `build_flow` would build, at no cost in memory and for any K in no time.

    Every family grows evenly with K, or evenly by pairs of steps (then an odd K is out by half a
    step): it is built, without numbers, with 2 steps and with 4.

    Raises:
        ConfigError: as `build_flow`.
    """
    if num_transforms <= 4:
        return _measured(flow, dim, num_transforms)
    try:
        two, four = (_measured(flow, dim, k) for k in (2, 4))
    except ConfigError:
        return _measured(flow, dim, num_transforms)  # a family that allows but some K says so
    return FlowSize(
        *(a + (b - a) * (num_transforms - 2) // 2 for a, b in zip(two, four, strict=True))
    )


def _measured(flow: Mapping[str, Any], dim: int, num_transforms: int) -> FlowSize:
    try:
        with torch.device("meta"):
            built = build_flow(flow, dim, num_transforms)
    except (RuntimeError, TypeError, OverflowError):  # beyond 2^63 numbers
        sizes = " ".join(f"flow.{key}={value}" for key, value in flow.items() if key != "name")
        raise ConfigError(
            f"flow={flow['name']} {sizes} need more than any memory; make some of them smaller"
        ) from None
    return FlowSize(built.param_size, sum(weight.numel() for weight in built.parameters()))


def _options_schema(family: type[Flow]) -> type[Section]:
    """A family's keyword arguments are its options; their annotations say what is allowed."""
    options = {
        name: (parameter.annotation, parameter.default)
        for name, parameter in inspect.signature(family).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    return create_model(family.__name__, __base__=Section, **options)  # type: ignore[call-overload, no-any-return]


_PUT_PLAINLY = {
    "too_short": "should have a length of at least {min_length}",
    "too_long": "should have a length of at most {max_length}",
    "string_too_short": "should not be empty",
    "string_pattern_mismatch": "should be letters, digits and _ + - . , = only, no dot first",
}


def _first_error(error: ValidationError, schema: type[BaseModel], at: str) -> str:
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in ((at, *first["loc"]) if at else first["loc"])]
    key = ".".join(part for part in path if part not in ("constrained-str",))
    if first["type"] == "extra_forbidden":
        siblings: Any = schema
        for part in first["loc"][:-1]:
            annotation = siblings.model_fields[part].annotation
            siblings = next(iter(get_args(annotation)), annotation)  # of a section or null
        known = ", ".join(sorted(siblings.model_fields))
        return f"{one_line(key)} is not a key here; " + (
            f"known: {known}" if known else "there are no options here"
        )
    if first["type"] == "missing":
        return f"{key} is missing from the configuration; give it as {key}=…"
    message = _PUT_PLAINLY.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    value = first["input"]
    return f"{key} {message}" if isinstance(value, dict) else f"{key}={one_line(value)} {message}"
