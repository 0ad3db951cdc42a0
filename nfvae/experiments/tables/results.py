"""The parts of results.json, evaluation_*.json and config.yaml that tables use, with checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nfvae.experiments.configuration.sections import Name
from nfvae.experiments.errors import ResultsError, one_line
from nfvae.experiments.storage.json_file import MAX_NUMBER

Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Real = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
NotNegative = Annotated[float, Field(ge=0, le=MAX_NUMBER)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{8,128}$")]
Line = Annotated[str, AfterValidator(one_line)]

STRICT = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)
# The only ones of nfvae 0.1, whose files do not name them.
BERNOULLI, MLP, STANDARD_NORMAL = "bernoulli", "mlp", "standard_normal"


class Conditions(NamedTuple):
    """Conditions that must be equal for numbers to be comparable."""

    data: str
    binarization: str
    split: str
    train_on_val: bool
    latent_dim: int
    num_importance_samples: int
    likelihood: str = BERNOULLI
    data_digest: str | None = None
    """Only where several data sets have the same name and binarization."""

    def __str__(self) -> str:
        """The conditions in words, for a caption."""
        parts = [
            {"mnist": "MNIST"}.get(self.data, self.data),
            f"{'no' if self.binarization == 'none' else self.binarization} binarization",
            f"data of sha256 {self.data_digest[:8]}…" if self.data_digest else "",
            "trained on the validation images too" if self.train_on_val else "",
            f"{self.likelihood} likelihood" if self.likelihood != BERNOULLI else "",
            f"{self.split} split",
            f"{self.latent_dim} latents",
        ]
        samples = self.num_importance_samples
        nll = f"; NLL by importance sampling with S = {samples:,}" if samples else ""
        return ", ".join(filter(None, parts)) + nll

    def parts(self, equals: str = "=") -> list[str]:
        """The conditions as texts, for example mnist, fixed, train_on_val, test, D=40, S=500."""
        likelihood = [] if self.likelihood == BERNOULLI else [self.likelihood]
        trained = ["train_on_val"] if self.train_on_val else []
        digest = [f"sha256{equals}{self.data_digest[:8]}"] if self.data_digest else []
        sizes = {"D": self.latent_dim, "S": self.num_importance_samples}
        numbers = [f"{name}{equals}{size}" for name, size in sizes.items()]
        return [self.data, self.binarization, *digest, *likelihood, *trained, self.split, *numbers]


class Identity(BaseModel):
    """What a run is: its data, model and seed."""

    model_config = STRICT

    data: Name
    binarization: Name = "none"
    split: Literal["train", "val", "test"]
    train_on_val: bool = False
    latent_dim: Positive
    num_importance_samples: Count
    likelihood: Name = BERNOULLI
    protocol: Name | None = None
    flow: Name
    K: Count
    seed: Count

    @property
    def conditions(self) -> Conditions:
        """The conditions under which other results are comparable."""
        return Conditions(*(getattr(self, name) for name in Conditions._fields[:-1]))


class Measured(BaseModel):
    """Measurements of a model on a split; means over images, in nats per image."""

    model_config = STRICT

    neg_elbo: Real
    neg_elbo_se: NotNegative  # over images
    nll: Real | None  # None without importance samples
    nll_se: NotNegative | None
    num_importance_samples: Count
    kl: Real
    sum_log_det: Real | None = None
    active_units: Count
    neg_elbo_bits_per_dim: Real | None = None  # only of levels
    bits_per_dim: Real | None = None
    split: Literal["train", "val", "test"]
    checkpoint: Literal["best", "last"]
    binarization: Name

    @model_validator(mode="after")
    def _nll_if_sampled(self) -> Self:
        sampled = self.num_importance_samples > 0
        if (self.nll is not None) != sampled or (self.nll_se is not None) != sampled:
            raise ValueError(
                "nll and nll_se must be null exactly where num_importance_samples is 0"
            )
        return self


class Evaluation(Measured):
    """evaluation_{split}.json: a model measured again; `step` is its number of updates."""

    train_on_val: bool | None = None
    step: Positive | None = None
    elbo_draws: Positive | None = None
    eval_seed: Count | None = None


class Results(Identity, Measured):
    """results.json of a trained VAE."""

    steps: Positive
    best_step: Count | None = None
    num_parameters: Positive
    model: Name = MLP
    prior: Name = STANDARD_NORMAL
    beta: NotNegative = 1.0
    free_bits: NotNegative = 0.0
    data_digest: Digest | None = None

    @property
    def gap(self) -> float | None:
        """−ELBO − NLL, an estimate of KL(q(z|x) ‖ p(z|x)); in expectation a lower bound."""
        return None if self.nll is None else self.neg_elbo - self.nll

    @property
    def is_bound(self) -> bool:
        """Whether the training objective was a bound on log p(x) after annealing."""
        return self.beta == 1 and not self.free_bits

    @property
    def measured_step(self) -> int | None:
        """Number of updates of the measured model; None if the best step is unknown."""
        return self.best_step if self.checkpoint == "best" else self.steps


class Made(BaseModel):
    """How a run was made; files of earlier versions lack some of it."""

    model_config = STRICT

    train_seconds: NotNegative | None = None
    device: Line | None = None
    num_threads: Positive | None = None
    precision: Line | None = None
    compile: bool | Line | None = None
    git_commit: Line | None = None
    versions: dict[Line, Line] = {}

    @property
    def machine(self) -> str:
        """For example "cpu, 1 thread, float32"; "" if nothing is known."""
        threads = f"{self.num_threads} thread{'s' if self.num_threads != 1 else ''}"
        compiled = "compiled" if self.compile else None
        parts = [self.device, threads if self.num_threads else None, self.precision, compiled]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """A complete run in a folder; `config` is None if only results.json was kept."""

    path: Path
    results: Results
    config: Mapping[str, Any] | None
    made: Made


class Unfinished(Identity):
    """A run with a config.yaml but no results.json, and the step that it has reached."""

    path: Path
    step: Count
    max_steps: Positive | None = None
    max_epochs: Positive | None = None

    @property
    def budget(self) -> str:
        """The length of the run, for example "50000 steps" or "80 epochs"."""
        return f"{self.max_epochs} epochs" if self.max_epochs else f"{self.max_steps} steps"


M = TypeVar("M", bound=BaseModel)


def check(schema: type[M], file: Path, content: Mapping[str, Any]) -> M:
    """Check the keys and types of a file's content.

    Raises:
        ResultsError: a key is missing or wrong; the message names the file and the key.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise ResultsError(f"{file}: {key} is missing") from None
        message = re.sub("^(Value error,|Input|String) ", "", first["msg"])
        value = first["input"]
        wrong = f"{key}={one_line(repr(value), 40)} {message}" if key else message
        raise ResultsError(f"{file}: {wrong}") from None
