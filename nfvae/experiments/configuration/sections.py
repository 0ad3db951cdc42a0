"""Sections of a configuration: types and ranges, and errors in one line."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from nfvae.experiments.errors import ConfigError, one_line

S = TypeVar("S", bound=BaseModel)

# Valid as part of a path, without quotes in a shell, on Hydra's command line, and in a table.
Name = Annotated[str, Field(pattern=r"^[\w+-][\w.+=,-]*$")]


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, values: object) -> object:
        unknown = values.keys() - cls.model_fields.keys() if isinstance(values, Mapping) else ()
        if unknown:
            known = ", ".join(sorted(cls.model_fields))
            hint = f"known: {known}" if known else "this choice has no options"
            text = f"{one_line(sorted(map(str, unknown))[0])} is not a key here; {hint}"
            raise PydanticCustomError("unknown_key", "{text}", {"text": text})
        return values


def check_section(schema: type[S], mapping: Mapping[str, Any], at: str = "") -> S:
    """Check one section against its schema; `at` is its key, for the message."""
    try:
        return schema.model_validate(dict(mapping))
    except ValidationError as error:
        raise ConfigError(_first_error(error, mapping, at)) from None


_PLAIN_MESSAGES = {
    "too_short": "should have a length of at least {min_length}",
    "too_long": "should have a length of at most {max_length}",
    "string_too_short": "should not be empty",
    "string_pattern_mismatch": "should be letters, digits and _ + - . , = only, no dot first",
    "union_tag_invalid": "is unknown; known: {expected_tags}",
}


def _first_error(error: ValidationError, mapping: Mapping[str, Any], at: str) -> str:
    first = error.errors(include_url=False)[0]
    path = [at] if at else []
    value: Any = mapping
    for part in first["loc"]:  # keys, indices, and names of the types of a union
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(str(part))
    if first["type"] == "missing":
        path.append(str(first["loc"][-1]))
    key = ".".join(path)
    if first["type"] == "missing":
        return f"{key} is missing from the configuration; give it as {key}=…"
    if first["type"] == "unknown_key":
        return ".".join([*path, first["msg"]])
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key, value = f"{key}.name", value.get("name") if isinstance(value, Mapping) else value
    message = _PLAIN_MESSAGES.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    return f"{key} {message}" if isinstance(value, dict) else f"{key}={one_line(value)} {message}"
