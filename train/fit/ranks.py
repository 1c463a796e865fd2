"""Runs over several machines: which of the processes leads, and how the others follow it.

Every process that torchrun, Slurm or Lightning starts runs the whole command. One of them leads: it holds the run's
lock, writes its folder and scores. The others take part in the training, then wait for the run to be finished, which
they see in the folder that all machines share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from train.config import Config
from train.runs import RunFolder


def leads(config: Config) -> bool:
    """Whether this process is the first of a run's, or the only one."""
    if config.nodes == 1:
        return True
    named = [os.environ[name] for name in ("RANK", "SLURM_PROCID") if name in os.environ]
    ranks = named[:1] or [os.environ.get(name, "0") for name in ("NODE_RANK", "LOCAL_RANK")]
    return all(int(rank) == 0 for rank in ranks)


def wait_for(folder: RunFolder, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until the process that leads has finished a run; it is torchrun's or Slurm's business to end us with it."""
    while not folder.finished:
        sleep(0.5)
