"""Curves of a training that TensorBoard reads: losses and validation RankIC by epoch, one run a window and seed.

`tensorboard --logdir <home>/curves` shows them while the training goes on.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tensorboardX import SummaryWriter

from attn_platform.models.history import SeedProgress

TRAIN_LOSS, VALID_LOSS, VALID_RANK_IC = "loss/train", "loss/valid", "RankIC/valid"


class Curves:
    """Event files under `folders[window]/seed_<seed>` (None: none); what an earlier training left there is replaced.

    A context, at whose end the files are closed.
    """

    def __init__(self, folders: Sequence[Path | None], records: Sequence[SeedProgress]) -> None:
        self._writers: dict[tuple[int, int], SummaryWriter] = {}
        for record in records:
            if (folder := folders[record.window]) is None:
                continue
            run = folder / f"seed_{record.seed}"
            shutil.rmtree(run, ignore_errors=True)
            self._writers[record.window, record.seed] = SummaryWriter(str(run))
            for epoch in range(1, len(record.valid_loss) + 1):  # those of a training that goes on
                self.add(record, epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, record: SeedProgress, epoch: int) -> None:
        """Write what the record says on an epoch."""
        writer = self._writers.get((record.window, record.seed))
        if writer is None:
            return
        for name, curve in (
            (TRAIN_LOSS, record.train_loss),
            (VALID_LOSS, record.valid_loss),
            (VALID_RANK_IC, record.valid_rank_ic),
        ):
            writer.add_scalar(name, curve[epoch - 1], epoch)
        writer.flush()
