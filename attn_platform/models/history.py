"""How a seed's training went: its curves, its best epoch, and why it ended."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class SeedHistory(BaseModel):
    """How one seed's training went; epochs (of trees: rounds) count from 1, entry e-1 of a curve is epoch e."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    outcome: Literal["stopped early", "reached max_epochs", "diverged"]
    best_epoch: int  # 0: none
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    valid_rank_ic: tuple[float, ...]


class SeedProgress(BaseModel):
    """Running record of one seed; `window` is the position of its window among those trained together."""

    model_config = ConfigDict(extra="forbid")

    window: int = 0
    seed: int
    train_loss: list[float] = []
    valid_loss: list[float] = []
    valid_rank_ic: list[float] = []
    best_epoch: int = 0
    diverged: bool = False

    @property
    def best_loss(self) -> float:
        """Validation loss of the best epoch so far."""
        return self.valid_loss[self.best_epoch - 1] if self.best_epoch else float("inf")

    def add(self, train_loss: float, valid_loss: float, valid_rank_ic: float) -> bool:
        """What an epoch has come to; whether it is the best so far."""
        better = valid_loss < self.best_loss
        self.train_loss.append(train_loss)
        self.valid_loss.append(valid_loss)
        self.valid_rank_ic.append(valid_rank_ic)
        if better:
            self.best_epoch = len(self.valid_loss)
        return better

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return len(self.valid_loss) - self.best_epoch

    def history(self, patience: int) -> SeedHistory:
        """The record of a training that is over."""
        stopped = self.waited >= patience
        return SeedHistory(
            seed=self.seed,
            outcome="diverged" if self.diverged else "stopped early" if stopped else "reached max_epochs",
            best_epoch=self.best_epoch,
            train_loss=tuple(self.train_loss),
            valid_loss=tuple(self.valid_loss),
            valid_rank_ic=tuple(self.valid_rank_ic),
        )
