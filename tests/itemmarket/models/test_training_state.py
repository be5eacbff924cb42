"""A training that is interrupted goes on where it was, and ends where it would have ended."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import itemmarket as im
from itemmarket.models.training_state import Training

STEPS, EPOCHS = 7, 4


def train(folder: Path | None, stop_after: int | None = None, task: str = "sum") -> list[torch.Tensor] | None:
    """Fit a small network with dropout and Adam; ``stop_after`` so many steps the process is as good as dead."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    inputs = torch.randn(STEPS, 16, 4)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.05)
    run = Training(network, optimiser, {"task": task}, folder, seconds=0)
    taken = 0
    while run.epoch < EPOCHS:
        for step in range(run.step, STEPS):
            optimiser.zero_grad()
            (network(inputs[step])[:, 0] - inputs[step].sum(dim=1)).square().mean().backward()
            optimiser.step()
            run.count_step()
            taken += 1
            if taken == stop_after:
                return None
        run.losses.append(network.eval()(inputs[0]).square().mean().item())
        network.train()
        if run.losses[-1] == min(run.losses):
            run.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        run.count_epoch()
    best = [run.best[name] for name in network.state_dict()]
    return [*network.state_dict().values(), *best, torch.tensor(run.losses)]


def assert_equal(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("stop_after", [1, 6, 7, 8, 20, STEPS * EPOCHS - 1])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, stop_after):
    expected = train(None)
    assert train(tmp_path / "run", stop_after) is None
    assert_equal(train(tmp_path / "run"), expected)


def test_interrupted_again_and_again(tmp_path):
    found = None
    for _ in range(STEPS * EPOCHS):
        found = train(tmp_path / "run", stop_after=3)
        if found:
            break
    assert_equal(found, train(None))


def test_a_training_that_has_ended_is_not_repeated(tmp_path):
    expected = train(tmp_path / "run")
    began = (tmp_path / "run" / "manifest.json").stat().st_mtime_ns
    assert_equal(train(tmp_path / "run"), expected)
    assert (tmp_path / "run" / "manifest.json").stat().st_mtime_ns == began


def test_another_task_is_not_taken_up(tmp_path):
    train(tmp_path / "run", stop_after=2)
    with pytest.raises(im.ArtefactError, match="other titles or settings"):
        train(tmp_path / "run", task="product")


def test_a_model_is_no_training(tmp_path):
    im.save_artefact(tmp_path / "run", class_name="Other", config={}, arrays={})
    with pytest.raises(im.ArtefactError, match="holds a Other"):
        train(tmp_path / "run")


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(None)
    assert not list(tmp_path.iterdir())


def test_a_training_is_not_saved_at_every_step(tmp_path):
    network = torch.nn.Linear(1, 1)
    run = Training(network, torch.optim.AdamW(network.parameters()), {}, tmp_path / "run", seconds=1000)
    run.count_step()
    assert not (tmp_path / "run").exists()
    assert 0 <= run.seconds < 60


def test_a_killed_process_leaves_a_training_to_go_on_with(tmp_path, root):
    """Killed at whatever moment, in the middle of a save, too."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.itemmarket.models import test_training_state as t\n"
        "t.EPOCHS = 10**6\n"
        "t.train(Path(sys.argv[1]))"
    )
    run = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", script, str(run), str(root)], cwd=root) as process:
        deadline = time.monotonic() + 120
        while not (run / "manifest.json").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        process.kill()
    position = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["config"]["position"]
    assert (position["epoch"], position["step"]) > (0, 0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1))
    taken_up = Training(network, torch.optim.AdamW(network.parameters()), {"task": "sum"}, run)
    assert (taken_up.epoch, taken_up.step) == (position["epoch"], position["step"])
