#!/usr/bin/env bash
# An Optuna study that is resumed with its seeded sampler tries the same points again.
# Expected: a study in a database goes on where it stopped. It matters for
# every search that is interrupted and started again.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check optuna==5.0.0
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def start():
    study = optuna.create_study(
        storage="sqlite:///study.db",
        study_name="search",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=7),
    )
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=5)
    return [trial.params["x"] for trial in study.trials]


start()
tried = start()
print(f"optuna {version('optuna')}: the same script, with a seeded sampler, started twice on one stored study")
print("seen: first start ", " ".join(f"{x:.4f}" for x in tried[:5]))
print("seen: second start", " ".join(f"{x:.4f}" for x in tried[5:]))
assert len(tried) == 10, "changed"
assert tried[:5] == tried[5:], "changed"
PYTHON
