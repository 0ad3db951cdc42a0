"""What a table takes from a run: its results.json, its config.yaml, or how far it has come."""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nfvae.experiments.errors import ResultsError
from nfvae.experiments.name import Name
from nfvae.experiments.storage.json_file import MOST

Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Nats = Annotated[float, Field(ge=-MOST, le=MOST)]
StandardError = Annotated[float, Field(ge=0, le=MOST)]

STRICT = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Conditions(NamedTuple):
    """What numbers must share to stand in one column."""

    data: Name
    binarization: Name
    split: Name
    train_on_val: bool
    latent_dim: Positive
    num_importance_samples: Count

    @property
    def trained_on(self) -> str:
        """What was trained on, in words."""
        also = ", trained on the validation images too" if self.train_on_val else ""
        return f"{self.binarization} binarization{also}"

    def words(self, equals: str = "=") -> list[str]:
        """mnist, fixed, test, D=40, S=500; with train_on_val before the split where it was so."""
        trained = ["train_on_val"] if self.train_on_val else []
        sizes = {"D": self.latent_dim, "S": self.num_importance_samples}
        numbers = [f"{name}{equals}{size}" for name, size in sizes.items()]
        return [self.data, self.binarization, *trained, self.split, *numbers]


class Measured(BaseModel):
    """What was found of a model on a split; bounds in nats per image, means over its images."""

    model_config = STRICT

    neg_elbo: Nats
    neg_elbo_se: StandardError  # over images
    nll: Nats | None  # None where no importance samples were asked for
    nll_se: StandardError | None
    num_importance_samples: Count
    kl: Nats
    active_units: Count
    split: Literal["train", "val", "test"]
    checkpoint: Literal["best", "last"]
    binarization: Name

    @model_validator(mode="after")
    def _nll_where_sampled(self) -> Self:
        sampled = self.num_importance_samples > 0
        if (self.nll is not None) != sampled or (self.nll_se is not None) != sampled:
            raise ValueError(
                "nll and nll_se must be null exactly where num_importance_samples is 0"
            )
        return self


class Evaluation(Measured):
    """evaluation_{split}.json: a model measured again; `step` is the updates it has had."""

    train_on_val: bool | None = None
    step: Positive | None = None
    elbo_draws: Positive | None = None
    eval_seed: Count | None = None


class Results(Measured):
    """results.json of a trained VAE."""

    data: Name
    train_on_val: bool = False
    latent_dim: Positive
    flow: Name
    K: Count
    seed: Count
    protocol: Name | None = None
    steps: Positive
    best_step: Count | None = None
    num_parameters: Positive

    @property
    def gap(self) -> float | None:
        """−ELBO − NLL: estimates KL(q(z|x) ‖ p(z|x)), from below in expectation."""
        return None if self.nll is None else self.neg_elbo - self.nll

    @property
    def measured_step(self) -> int | None:
        """The updates of the model that was measured; None where nothing says which was best."""
        return self.best_step if self.checkpoint == "best" else self.steps

    @property
    def conditions(self) -> Conditions:
        """What other results must share to stand in one column with these."""
        return Conditions(*(getattr(self, name) for name in Conditions._fields))


@dataclass(frozen=True)
class Run:
    """A complete run; `config` is None where only results.json was kept.

    Attributes:
        path: the folder; of a run that was evaluated again, the file that says so.
    """

    path: Path
    results: Results
    config: Mapping[str, Any] | None


class Unfinished(BaseModel):
    """A run that has a config.yaml and no results.json; `budget` is 50000 steps or 80 epochs."""

    model_config = STRICT

    path: Path
    conditions: Conditions
    protocol: Name | None
    flow: Name
    K: Count
    seed: Count
    step: Count
    budget: str


M = TypeVar("M", bound=BaseModel)


def check(schema: type[M], file: Path, content: Mapping[str, Any]) -> M:
    """What a file holds, once it has the keys and types that a table needs.

    Raises:
        ResultsError: naming the file and the first key that is missing or wrong.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise ResultsError(f"{file}: {key} is missing") from None
        message = re.sub("^(Value error,|Input|String) ", "", first["msg"])
        shown = reprlib.repr(first["input"])
        wrong = f"{key}={shown} {message}" if key else message
        raise ResultsError(f"{file}: {wrong}") from None
