"""The training loop: draw, loss, gradient, step; with checkpoints from which a run goes on to the same bits.

Device, precision and the number of processes are Lightning Fabric's: ``fabric run --devices 4 $(which handlib) run
s2hand`` trains the same recipe on four GPUs, each taking its part of every batch.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from handlib.errors import BadInputError
from handlib.reproduce.recipe import RunContext
from handlib.training.collapse import CollapseError
from handlib.training.interrupt import finish_step_first
from handlib.training.schedule import learning_rate_factor

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes:
        steps: gradient steps.
        learning_rate: at the start.
        optimiser: a key of :data:`OPTIMISERS`.
        weight_decay: the optimiser's.
        schedule: a key of :data:`handlib.training.schedule.SCHEDULES`.
        clip_norm: longest gradient, 0 for any.
        precision: Fabric's: "32-true", "bf16-mixed", "16-mixed".
        checkpoint_seconds: time between checkpoints.
        log_points: how many points the logged curves have at most.
    """

    steps: int
    learning_rate: float = 1e-3
    optimiser: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "halves"
    clip_norm: float = 1.0
    precision: str = "32-true"
    checkpoint_seconds: float = 60.0
    log_points: int = 100


@dataclass(frozen=True, eq=False)
class StepOutput:
    """What one step found.

    Attributes:
        loss: the number to make smaller.
        terms: its parts, for the log.
        prediction: what ``watch`` looks at.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    prediction: Any = None


@dataclass
class TrainingLog:
    """What happened in training: mean of each term over stretches of steps, and how fast it went.

    Attributes:
        steps: the last step of each stretch.
        terms: name to one number a stretch; "loss" is the whole.
        samples, seconds: spent in the loop, over all resumptions.
    """

    steps: list[int] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)
    samples: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0

    @property
    def images_per_second(self) -> float:
        """Training throughput, with drawing and augmentation."""
        return self.samples / self.seconds if self.seconds else 0.0

    def add(self, step: int, values: dict[str, float], stretch: int) -> None:
        """Take a step's values in; every ``stretch`` steps their means go to the curves."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.summed += 1
        if (step + 1) % stretch == 0:
            self.steps.append(step + 1)
            for name, total in self.sums.items():
                self.terms.setdefault(name, []).append(total / self.summed)
            self.sums, self.summed = {}, 0


def make_fabric(device: torch.device, precision: str) -> Fabric:
    """Fabric on one device; under ``fabric run`` its launcher says how many, on how many machines."""
    if os.environ.get("LT_CLI_USED") == "1":
        return Fabric()  # its processes are running already
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    fabric.launch()
    return fabric


def fit_network(
    context: RunContext,
    network: nn.Module,
    objective: Callable[[nn.Module, Any, int], StepOutput],
    draw: Callable[[int, int, int], Any],
    settings: TrainSettings,
    watch: Callable[[int, StepOutput], None] | None = None,
) -> TrainingLog:
    """Train a network in place, going on from the run's newest checkpoint if there is one.

    Args:
        context: the run: its device, bar, checkpoints and count of samples.
        network: trained where ``requires_grad``; ends on ``context.device``, in evaluation mode.
        objective: ``(network, batch, step)`` to a :class:`StepOutput`; calls the network by its ``forward``.
        draw: ``(step, rank, ranks)`` to this process's part of the step's batch, with ``len`` and ``to(device)``.
        settings: optimiser, schedule and effort.
        watch: looks at each step's output before the weights change, and raises to stop (a collapse detector).

    Returns:
        the log.

    Raises:
        BadInputError: an optimiser or schedule of unknown name, or no steps.
        KeyboardInterrupt: after Ctrl-C, when the step is done and a checkpoint written.
    """
    if settings.optimiser not in OPTIMISERS or settings.steps < 1:
        raise BadInputError(
            f"optimiser {settings.optimiser!r}, {settings.steps} steps: expected one of {sorted(OPTIMISERS)} and at "
            "least one step"
        )
    learning_rate_factor(settings.schedule, 0, settings.steps)  # an unknown name should fail before the first step
    fabric = make_fabric(context.device, settings.precision)
    network.to(memory_format=torch.channels_last)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = OPTIMISERS[settings.optimiser](trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    wrapped, optimiser = fabric.setup(network, optimiser)
    log, first = _resume(context, network, optimiser)
    stretch = max(1, -(-settings.steps // settings.log_points))
    network.train()
    with finish_step_first() as interrupted:
        for step in context.progress(range(first, settings.steps), what="training"):
            started = time.monotonic()
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * learning_rate_factor(settings.schedule, step, settings.steps)
            batch = draw(step, fabric.global_rank, fabric.world_size).to(fabric.device)
            output = objective(wrapped, batch, step)
            if watch is not None:
                try:
                    watch(step, output)
                except CollapseError as error:
                    error.log = log
                    raise
            optimiser.zero_grad(set_to_none=True)
            fabric.backward(output.loss)
            if settings.clip_norm:
                fabric.clip_gradients(wrapped, optimiser, max_norm=settings.clip_norm, error_if_nonfinite=False)
            optimiser.step()
            values = {name: float(value.detach()) for name, value in {"loss": output.loss, **output.terms}.items()}
            log.add(step, values, stretch)
            seen = len(batch) * fabric.world_size
            context.samples_seen += seen
            log.samples += seen
            log.seconds += time.monotonic() - started
            if fabric.is_global_zero:
                state = {"step": step + 1, "network": network.state_dict(), "optimiser": optimiser.state_dict()}
                every = 0.0 if interrupted() else settings.checkpoint_seconds
                context.save_checkpoint({**state, "log": vars(log)}, at_most_every=every)
            if interrupted():
                raise KeyboardInterrupt(f"stopped after step {step + 1}; the same command goes on from there")
    network.eval()
    return log


def _resume(context: RunContext, network: nn.Module, optimiser: Any) -> tuple[TrainingLog, int]:
    """Put the newest checkpoint's state into network and optimiser; a new log and step 0 where there is none."""
    saved = context.load_checkpoint()
    if saved is None:
        return TrainingLog(), 0
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    return TrainingLog(**saved["log"]), saved["step"]
