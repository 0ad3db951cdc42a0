"""Names of runs and protocols."""

from typing import Annotated

from pydantic import Field

# Valid as part of a path, without quotes in a shell, on Hydra's command line, and in a table.
Name = Annotated[str, Field(pattern=r"^[\w+-][\w.+=,-]*$")]
