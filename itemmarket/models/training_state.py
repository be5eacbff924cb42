"""A training that can be interrupted: weights, optimiser and random numbers, kept in a folder now and then.

What is kept is an artefact (see :mod:`itemmarket.models.artefacts`): whole or not there, checked by sha256, no pickle.
A training that goes on from it ends where it would have ended without the interruption, to the last bit, as long
as library versions and the number of threads stay the same.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from itemmarket.errors import ArtefactError
from itemmarket.models.artefacts import MANIFEST, load_artefact, save_artefact

if TYPE_CHECKING:
    import torch

SECONDS_BETWEEN_SAVES = 60.0


class Training:
    """How far a training has come; with a folder it is taken up from there, and kept there.

    Parameters
    ----------
    network, optimiser : torch.nn.Module, torch.optim.Optimizer
        What is trained and by what; what the folder holds is loaded into them, and torch's random numbers go on
        from there, too.
    task : mapping
        What is trained on what, as plain JSON: only the same task is taken up.
    folder : path-like, optional
        Where to keep the state; without one nothing is kept.
    seconds : float
        Least time between two saves within an epoch.

    Attributes
    ----------
    epoch, step : int
        Epochs that have ended, and steps since.
    losses : list of float
        Validation losses, for the caller to append to.
    best : dict of str to torch.Tensor
        The best weights so far, for the caller to set.
    seconds : float
        Time spent, all sittings together.

    Raises
    ------
    ArtefactError
        If the folder holds something else, or the training of another task.
    """

    def __init__(
        self,
        network: "torch.nn.Module",
        optimiser: "torch.optim.Optimizer",
        task: Mapping[str, Any],
        folder: str | os.PathLike[str] | None = None,
        seconds: float = SECONDS_BETWEEN_SAVES,
    ) -> None:
        self.epoch = self.step = 0
        self.losses: list[float] = []
        self.best: dict[str, torch.Tensor] = {}
        self._network, self._optimiser, self._folder, self._pause = network, optimiser, folder, seconds
        self._task = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()
        self._before = 0.0
        if folder is not None and Path(folder, MANIFEST).is_file():
            self._restore()
        self._began = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent, all sittings together."""
        return self._before + time.monotonic() - self._began

    def count_step(self) -> None:
        """Note that a step was taken; save if the last time is long ago."""
        self.step += 1
        if self._folder is not None and time.monotonic() - self._saved >= self._pause:
            self.save()

    def count_epoch(self) -> None:
        """Note that an epoch has ended, and save."""
        self.epoch, self.step = self.epoch + 1, 0
        if self._folder is not None:
            self.save()

    def save(self) -> None:
        """Write the state in place of the earlier one."""
        import torch

        arrays = {f"network/{name}": tensor for name, tensor in self._network.state_dict().items()}
        arrays |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser/{number}/{name}": tensor for name, tensor in state.items()}
        arrays["random/torch"] = torch.get_rng_state()
        position = {"epoch": self.epoch, "step": self.step, "losses": self.losses, "seconds": self.seconds}
        assert self._folder is not None  # else nothing is kept
        save_artefact(
            self._folder,
            class_name="Training",
            config={"position": position, "task": self._task},
            arrays={name: tensor.detach().numpy() for name, tensor in arrays.items()},
        )
        self._saved = time.monotonic()

    def _restore(self) -> None:
        import torch

        assert self._folder is not None
        kept = load_artefact(self._folder, class_name="Training")
        if kept.config["task"] != self._task:
            raise ArtefactError(
                f"{self._folder} holds a training with other titles or settings: remove it, or name another folder"
            )
        parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best": {}, "optimiser": {}, "random": {}}
        for name, array in kept.arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = torch.from_numpy(np.array(array))
        self._network.load_state_dict(parts["network"])
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            number, _, quantity = name.partition("/")
            state.setdefault(int(number), {})[quantity] = tensor.reshape(()) if quantity == "step" else tensor
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": state})
        torch.set_rng_state(parts["random"]["torch"])
        position = kept.config["position"]
        self.epoch, self.step = position["epoch"], position["step"]
        self.losses, self.best, self._before = position["losses"], parts["best"], position["seconds"]
