"""Sections of a configuration: types and ranges, and errors in one line."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from nfvae.experiments.errors import ConfigError, one_line

S = TypeVar("S", bound=BaseModel)


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def check_section(schema: type[S], mapping: Mapping[str, Any], at: str = "") -> S:
    """Check one section against its schema; `at` is its key, for the message.

    Raises:
        ConfigError: an unknown key, a wrong type, or a value out of range.
    """
    try:
        return schema.model_validate(dict(mapping))
    except ValidationError as error:
        raise ConfigError(_first_error(error, schema, at)) from None


_PLAIN_MESSAGES = {
    "too_short": "should have a length of at least {min_length}",
    "too_long": "should have a length of at most {max_length}",
    "string_too_short": "should not be empty",
    "string_pattern_mismatch": "should be letters, digits and _ + - . , = only, no dot first",
    "union_tag_invalid": "is unknown; known: {expected_tags}",
}


def _first_error(error: ValidationError, schema: type[BaseModel], at: str) -> str:
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if part != "constrained-str"]
    siblings: Any = schema
    path = [at] if at else []
    for part in location[:-1]:
        siblings, is_tag = _step_into(siblings, part)
        path += [] if is_tag else [str(part)]
    if location:
        path.append(str(location[-1]))
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(siblings.model_fields))
        return f"{one_line(key)} is not a key here; " + (
            f"known: {known}" if known else "this choice has no options"
        )
    if first["type"] == "missing":
        return f"{key} is missing from the configuration; give it as {key}=…"
    value = first["input"]
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key, value = f"{key}.name", value.get("name") if isinstance(value, Mapping) else value
    message = _PLAIN_MESSAGES.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    return f"{key} {message}" if isinstance(value, dict) else f"{key}={one_line(value)} {message}"


def _step_into(schema: Any, part: int | str) -> tuple[Any, bool]:
    """The schema below a key, and whether the key is the name that chose among several schemas."""
    choices = [arg for arg in get_args(schema) if hasattr(arg, "model_fields")]
    for choice in choices:
        if part in get_args(choice.model_fields["name"].annotation):
            return choice, True
    fields = getattr(schema, "model_fields", {})
    if part not in fields:
        return schema, False
    field = fields[part]
    if field.discriminator:
        return field.annotation, False
    return next(iter(get_args(field.annotation)), field.annotation), False
