"""What may be a name: of a run, a protocol, a split."""

from typing import Annotated

from pydantic import Field

# Good as part of a path, unquoted in a shell, on Hydra's command line and in a table.
Name = Annotated[str, Field(pattern=r"^[\w+-][\w.+=,-]*$")]
