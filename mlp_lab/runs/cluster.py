"""The environment variables with which a cluster or torchrun starts processes.

Torch is imported where processes communicate, not with this module.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

from omegaconf import DictConfig

from mlp_lab.errors import UserError

#: Set by the first process of a distributed run for those that it starts.
FOLDER_VARIABLE = "MLP_LAB_RUN_FOLDER"

# What torchrun sets, besides other variables.
_TORCHRUN = ("TORCHELASTIC_RUN_ID", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")
# What Lightning and torch read. An interactive job of Slurm, or another program, sets them as well.
_VARIABLES = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_PROCID",
    "SLURM_LOCALID", "SLURM_NODEID", "SLURM_JOB_NAME", "JSM_NAMESPACE_RANK",
    "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE", "LSB_JOBID", "LSB_DJOB_RANKFILE",
    "PMI_RANK", "OMPI_COMM_WORLD_RANK", "TPU_PROCESS_ADDRESSES", "TORCHELASTIC_RUN_ID",
)  # fmt: skip


@contextmanager
def without_cluster_variables() -> Iterator[None]:
    """Hide the variables from this process, unless it is one of the processes of one run."""
    of_run = FOLDER_VARIABLE in os.environ and "LOCAL_RANK" in os.environ
    hidden = {}
    if not (of_run or _under_torchrun()):
        hidden = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def check_processes(trainer: DictConfig | None) -> None:
    """Raise UserError if more or fewer processes were started than a run needs.

    Args:
        trainer: the node ``trainer`` of the run's config; None: a sweep.
    """
    needed = 1 if trainer is None else trainer.devices
    started = _torchrun_processes()
    if _under_torchrun() and started != needed:
        what = "a sweep needs one" if trainer is None else f"trainer.devices={needed}"
        remedy = "" if trainer is None else f"; trainer=ddp trainer.devices={started} uses them"
        raise UserError(f"torchrun started {started} processes, but {what}{remedy}")
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    if needed > 1 and tasks != "1" and not _under_torchrun():
        raise UserError(
            f"srun started {tasks} tasks, but the first one starts the processes of"
            f" trainer.devices={needed}: use srun --ntasks=1, or torchrun"
        )


def shared_folder(folder: str | None) -> str:
    """Return the run folder in all processes of a distributed run.

    Args:
        folder: run folder; None in all processes but the first.
    """
    if folder is not None:
        os.environ[FOLDER_VARIABLE] = folder  # for processes that this one starts
    if _torchrun_processes() == 1:
        return os.environ[FOLDER_VARIABLE]
    import torch

    # Lightning uses this group as well.
    gpu = torch.cuda.is_available()
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    atexit.register(torch.distributed.destroy_process_group)
    folders = [folder]
    torch.distributed.broadcast_object_list(folders, src=0, device=torch.device("cpu"))
    assert folders[0] is not None
    return folders[0]


def _under_torchrun() -> bool:
    return all(name in os.environ for name in _TORCHRUN)


def _torchrun_processes() -> int:
    return int(os.environ["WORLD_SIZE"]) if _under_torchrun() else 1
