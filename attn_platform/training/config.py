"""How a network is trained (AI-69, AI-55)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from attn_platform.models.configuration import LossConfig

Precision = Literal["auto", "float32", "bfloat16", "float64"]
BatchUnit = Literal["session", "stock"]

STUDY_SEEDS = (0, 1, 2, 3, 4)  # AI-55, AI-69: five seeds a model


class TrainingConfig(BaseModel):
    """Everything but data, network and seeds that decides which weights come out on a given device."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: PositiveFloat = 1e-4  # AI-55, AI-69: Adam
    patience: PositiveInt = 20  # AI-55, AI-69: epochs without a better validation loss
    max_epochs: PositiveInt = 200  # the studies name none: far above where early stop ends a run
    # What an untrained network forecasts. Our choice, as the studies are silent: the constant of least loss. Random
    # heads forecast noise with a third of the labels' variance, and at this learning rate needed over 15 epochs to
    # unlearn it: on the first window of the real data their validation loss was still above that of the constant.
    start: Literal["constant", "random"] = "constant"
    # AI-69, AI-55: one session a batch with all its stocks; inter_stock_attention 32 sessions; the time-series networks
    # 1,024 samples, drawn from all stocks and sessions
    batch_unit: BatchUnit = "session"
    batch_size: PositiveInt = 1
    # Each seed trains on every n-th session of its training set, from session (seed mod n) on, and validates on all of
    # its validation set: labels of 10 and 20 sessions overlap from one session to the next. The studies train on all.
    sessions_every: PositiveInt = 1
    loss: LossConfig = LossConfig()
    # AI-55's "pre-training": start from the previous window's weights, where that window has been trained
    warm_start: bool = False
    # Matrix products in bfloat16 (everything else stays float32) where the device has instructions for it, else
    # float32. float64 is for comparisons.
    precision: Precision = "auto"
    threads: PositiveInt = 2  # CPU threads; part of the configuration because sums are split by thread
    # on: the seeds make each step as one, and all threads work on it. off: each seed by itself on one thread, which
    # keeps its numbers in a core's cache and never waits for the other threads. auto: off for batches of sessions in
    # float32 on a CPU, else on. See docs/training.md for busy machines.
    stacking: Literal["auto", "on", "off"] = "auto"
    device: str = "auto"  # auto: a GPU where there is one; cpu, cuda, cuda:1
    # Kernels of the rows' own arithmetic compiled by torch; auto: on a GPU, as the CPU needs a C++ compiler for it
    compile: Literal["auto", "on", "off"] = "auto"
    # Windows that one run trains side by side on the axis of the seeds, for a GPU that a single window leaves idle.
    # Windows that start warm wait for each other, so they go one by one.
    windows_together: PositiveInt = 1
    # Memory for what a step of the stack holds; None: a part of the device's. Members that do not fit together are
    # trained in turn, with the same outcome.
    memory_gb: PositiveFloat | None = None
