"""An update as one CUDA graph: the GPU repeats recorded operations, without Python between them.

Small models keep a GPU waiting for Python. A graph needs the same operations on the same memory
each time, so everything that changes from step to step is read from fixed places on the device.
"""

from collections.abc import Callable

import torch
from torch import Tensor, optim

from nfvae.errors import NfvaeError

Update = Callable[[Tensor, Tensor, int | Tensor], None]
"""Takes the indices of a batch, the objective's weight (a scalar) and the step."""

WARM_UP = 3  # updates before the recording: they make optimizer state, workspaces, library handles


def check_cuda_graph(
    device: torch.device, optimizer: optim.Optimizer, num_processes: int = 1
) -> None:
    """Check that updates on this device and with this optimizer can be a CUDA graph.

    Raises:
        ValueError: they cannot.
    """
    if device.type != "cuda":
        raise ValueError(f"cuda_graph=True needs a model on a CUDA device, it is on {device}")
    if num_processes > 1:
        raise ValueError(f"cuda_graph=True needs a single process, there are {num_processes}")
    if not all("capturable" in group for group in optimizer.param_groups):
        raise ValueError(
            "cuda_graph=True needs an optimizer with the option `capturable`, such as AdamW or "
            f"RMSprop; {type(optimizer).__name__} has none"
        )


class BufferedUpdate:
    """An update that reads all that changes from fixed tensors. It works on every device.

    Args:
        update: does an update with the optimizer's present rates.
        optimizer: its rates are numbers before and after a call.
        device: the model's device.
    """

    def __init__(self, update: Update, optimizer: optim.Optimizer, device: torch.device) -> None:
        self._update = update
        self._optimizer = optimizer
        self._index: Tensor | None = None
        self._weight = torch.zeros((), device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._rates = [torch.zeros((), device=device) for _ in optimizer.param_groups]

    def __call__(self, index: Tensor, weight: float, step: int) -> None:
        """One update: indices int64 [B] on the device, the objective's weight, and the step."""
        self.fill(index, weight, step)
        self.run()

    def fill(self, index: Tensor, weight: float, step: int) -> None:
        """Write the inputs of an update to their places; the host does not wait."""
        if self._index is None:
            self._index = torch.empty_like(index)
        self._index.copy_(index)
        self._weight.fill_(weight)
        self._step.fill_(step)
        for rate, group in zip(self._rates, self._optimizer.param_groups, strict=True):
            rate.fill_(group["lr"])

    def run(self) -> None:
        """The update of the inputs that were filled in last."""
        assert self._index is not None
        groups = self._optimizer.param_groups
        before = [{key: group[key] for key in ("lr", "capturable")} for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group.update(lr=rate, capturable=True)
        try:
            self._update(self._index, self._weight, self._step)
        finally:  # so that a checkpoint is the same with and without a graph
            for group, settings in zip(groups, before, strict=True):
                group.update(settings)


class GraphedUpdate(BufferedUpdate):
    """Updates of which the first few run as usual, and all others as one CUDA graph.

    Args:
        update: does an update with the optimizer's present rates; its other inputs, such as the
            weights, stay where they are in memory. It must not wait for the device.
        optimizer: one that can be captured, such as AdamW or RMSprop.
        generator: for all random numbers of the update, besides torch's global generator.
        device: the model's device, a GPU.
    """

    def __init__(
        self,
        update: Update,
        optimizer: optim.Optimizer,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        super().__init__(update, optimizer, device)
        self._generator = generator
        self._device = device
        self.forget()

    def forget(self) -> None:
        """Record anew: the optimizer's state was replaced, and is elsewhere in memory now."""
        torch.cuda.synchronize(self._device)  # the old graph may still be running
        self._graph: torch.cuda.CUDAGraph | None = None
        # A stream of its own: graphs that were recorded on the same one share workspaces of cuBLAS.
        self._stream = torch.cuda.Stream(self._device)
        self._warm_up_left = WARM_UP

    def __call__(self, index: Tensor, weight: float, step: int) -> None:
        with torch.cuda.device(self._device):
            self.fill(index, weight, step)
            if self._warm_up_left:
                self._warm_up_left -= 1
                self._run_beside()
                return
            if self._graph is None:
                self._graph = self._record()
            self._graph.replay()

    def _run_beside(self) -> None:
        """Run on the stream of the recording. Autograd remembers the stream of each weight, and the
        default stream cannot be recorded."""
        for state in self._optimizer.state.values():
            if "step" in state:  # on the CPU, if it comes from an update without graph
                state["step"] = state["step"].to(self._device)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self.run()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        if torch.__version__ < "2.14":  # later versions register generators themselves
            graph.register_generator_state(self._generator)
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self.run()
        except RuntimeError as error:
            # After a failed recording, torch's allocator and generators are unusable, so there is
            # no way back to updates without graph in this process.
            raise NfvaeError(
                "an update of this model cannot be recorded as a CUDA graph, probably because it "
                f"waits for a value from the GPU ({str(error).splitlines()[0]}); train with "
                "cuda_graph=False"
            ) from error
        return graph
