"""The configuration's types and ranges, checked before any work.

Hydra composes YAML and command line into a plain mapping. `parse_config` turns it into `Config`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from nfvae.experiments.configuration.device import check_device
from nfvae.experiments.configuration.parts import REGISTRIES, check_flow, check_part, flow_size
from nfvae.experiments.configuration.sections import Name, Section, check_section
from nfvae.experiments.errors import ConfigError
from nfvae.objective import AnnealingKind, Objective
from nfvae.precision import Precision
from nfvae.training.schedule import Decay

Positive = Annotated[int, Field(ge=1, le=10**12)]
NumThreads = Annotated[int, Field(ge=1, le=1024)]
NumTransforms = Annotated[int, Field(ge=0, le=10**12)]
Size = Annotated[int, Field(ge=1, le=100_000)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
WeightDecay = Annotated[float, Field(ge=0)]
Checkpoint = Literal["best", "last"]
Device = Annotated[str, AfterValidator(check_device)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class OptimConfig(Section):
    """The settings of every optimizer: rate, schedule, and gradient clipping (null: none)."""

    lr: LearningRate
    weight_decay: WeightDecay
    warmup_steps: Annotated[int, Field(ge=0)]
    decay: Decay
    grad_clip: Annotated[float, Field(gt=0)] | None


class AdamConfig(OptimConfig):
    """Adam, with decoupled weight decay."""

    name: Literal["adam"]
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)]


class RMSpropConfig(OptimConfig):
    """RMSprop."""

    name: Literal["rmsprop"]
    momentum: Fraction


Optim = Annotated[AdamConfig | RMSpropConfig, Field(discriminator="name")]


class DecoderRates(Section):
    """Settings of p(x, z) that differ from those of q(z|x); null: the same."""

    decoder_lr: LearningRate | None
    decoder_weight_decay: WeightDecay | None


class VAEAdamConfig(AdamConfig, DecoderRates):
    """Adam for a VAE."""


class VAERMSpropConfig(RMSpropConfig, DecoderRates):
    """RMSprop for a VAE."""


VAEOptim = Annotated[VAEAdamConfig | VAERMSpropConfig, Field(discriminator="name")]


class ObjectiveConfig(Section):
    """The objective; see `nfvae.Objective`."""

    num_samples: Positive
    annealing: AnnealingKind
    annealing_start: Annotated[float, Field(ge=0, le=1)]
    annealing_steps: Positive
    beta: Annotated[float, Field(ge=0, le=1e6)]
    free_bits: Annotated[float, Field(ge=0, le=1e6)]

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        Objective(**self.model_dump())
        return self


class TrainerConfig(Section):
    """How long to train, batch size, and how often to log, validate and save."""

    max_steps: Positive
    max_epochs: Positive | None
    batch_size: Positive
    log_every: Positive
    val_every: Positive
    checkpoint_every: Positive
    early_stopping: Positive | None
    on_nan: Literal["stop", "rewind"]
    max_rewinds: Positive
    num_threads: NumThreads | None
    compile: bool
    precision: Precision | Literal["auto"]
    cuda_graph: bool
    progress: bool


class MeasureConfig(Section):
    """How a model is measured on a split."""

    elbo_draws: Annotated[int, Field(ge=1, le=10_000)]
    num_samples: Annotated[int, Field(ge=0)]
    seed: Seed


class EvalConfig(MeasureConfig):
    """The final measurement on the test split, and its checkpoint."""

    checkpoint: Checkpoint


class RunConfig(Section):
    """The run's folder, or its name below outputs/; both null: a name made from the overrides."""

    dir: Annotated[str, Field(min_length=1)] | None  # "" would be the current folder
    name: Name | None

    @model_validator(mode="after")
    def _check_one_place(self) -> Self:
        if self.dir is not None and self.name is not None:
            raise ValueError("has both dir and name; give only one")
        return self


class Config(Section):
    """Everything a training run depends on.

    `data`, `model`, `likelihood`, `flow` and `prior` name an entry of a registry and hold its
    options; `model` also has `latent_dim`.
    """

    K: NumTransforms
    seed: Seed
    device: Device
    protocol: Name | None  # a label: the settings themselves are in the sections
    run: RunConfig
    data: dict[str, Any]
    model: dict[str, Any]
    likelihood: dict[str, Any]
    flow: dict[str, Any]
    prior: dict[str, Any]
    optim: VAEOptim
    objective: ObjectiveConfig
    trainer: TrainerConfig
    eval: EvalConfig

    @property
    def latent_dim(self) -> int:
        """D."""
        dim: int = self.model["latent_dim"]
        return dim


def parse_config(mapping: Mapping[str, Any]) -> Config:
    """Check a composed configuration: keys, types, ranges, and that the parts fit together."""
    mapping = dict(mapping)
    for at, registry in REGISTRIES.items():
        section = mapping.get(at)
        if not isinstance(section, Mapping):
            raise ConfigError(f"{at} is missing from the configuration; give it as {at}=…")
        if at == "flow":
            mapping["flow"], mapping["K"] = check_flow(section, mapping.get("K"))
        elif at == "model":
            mapping[at] = check_part(registry, at, section, latent_dim=(Size, ...))
        else:
            mapping[at] = check_part(registry, at, section)
    config = check_section(Config, mapping)
    if config.data.get("train_on_val"):
        check_validation(config, "data.train_on_val=true")
    flow_size(config.flow, config.latent_dim, config.K)
    return config


def check_validation(config: Config, reason: str) -> None:
    """Check that a run without validation images, for this reason, does not need them."""
    if config.eval.checkpoint == "best":
        raise ConfigError(
            f"{reason} leaves no images to choose the best checkpoint; give eval.checkpoint=last "
            "too"
        )
    if config.trainer.early_stopping is not None:
        raise ConfigError(
            f"trainer.early_stopping={config.trainer.early_stopping} needs validation images, and "
            f"{reason} leaves none; give trainer.early_stopping=null too"
        )
