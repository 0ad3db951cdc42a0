"""A progress bar on a terminal, plain lines elsewhere."""

import sys

from tqdm import tqdm


class Progress:
    """Progress of one stage of a run, on standard error.

    Args:
        stage: its name.
        total: units of the whole stage.
        done: units completed by an earlier process.
        bar: show a bar if there is a terminal.
    """

    def __init__(self, stage: str, total: int, done: int = 0, bar: bool = True) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=stage,
            disable=not (bar and sys.stderr.isatty()),
            dynamic_ncols=True,
            unit_scale=True,
            mininterval=0.2,
        )

    def advance(self, units: int = 1) -> None:
        """Add completed units."""
        self._bar.update(units)

    def show(self, **values: str) -> None:
        """Show values beside the bar."""
        self._bar.set_postfix(values, refresh=False)

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Stop the bar where it is."""
        self._bar.close()
