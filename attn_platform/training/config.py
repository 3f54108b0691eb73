"""How a network is trained (AI-69, AI-55)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from attn_platform.models.losses import LossConfig

Precision = Literal["auto", "float32", "bfloat16", "float64"]

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
    sessions_per_batch: PositiveInt = 1  # AI-69, AI-55: one session a batch; inter_stock_attention 32
    loss: LossConfig = LossConfig()
    # Matrix products in bfloat16 (everything else stays float32) where the device has instructions for it, else
    # float32. float64 is for comparisons.
    precision: Precision = "auto"
    threads: PositiveInt = 2  # CPU threads; part of the configuration because sums are split by thread
