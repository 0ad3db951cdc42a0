"""Errors whose message says what is wrong and how to fix it."""


class NfvaeError(Exception):
    """An error that the user can fix. Its message is complete without a traceback."""


class DataError(NfvaeError):
    """A data file that is missing, damaged, or not the expected one."""


class DivergenceError(NfvaeError):
    """Training produced a NaN or an infinity."""


class StateError(NfvaeError):
    """A stored training state that does not fit the model or the run."""


class NotInvertibleError(NfvaeError, NotImplementedError):
    """The flow has no computable inverse, so its density is known only at its own samples."""


class StopTraining(Exception):  # noqa: N818  (it is not an error)
    """Raised by a callback to leave `fit` at once. The run can be resumed from its state."""
