#!/usr/bin/env bash
# skops, which stores scikit-learn's models without pickle, refuses to load scikit-learn's own trees and forests.
# Expected: a fitted estimator of scikit-learn is trusted, as linear models are. It matters when a format for
# model artefacts is chosen.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check skops==0.16.0 scikit-learn==1.9.1
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import numpy as np
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

X = np.random.default_rng(0).normal(size=(100, 3))
models = [Ridge(), DecisionTreeRegressor(), RandomForestRegressor(5), HistGradientBoostingRegressor()]
print(f"skops {version('skops')}, scikit-learn {version('scikit-learn')}: dumps, then loads")
loaded = {}
for model in models:
    data = skops.io.dumps(model.fit(X, X[:, 0]))
    try:
        skops.io.loads(data)
        loaded[type(model).__name__] = "loads"
    except skops.io.exceptions.UntrustedTypesFoundException:
        loaded[type(model).__name__] = f"refused for {', '.join(skops.io.get_untrusted_types(data=data))}"
for name, verdict in loaded.items():
    print(f"seen: {name}: {verdict}")
assert loaded.pop("Ridge") == "loads", "changed"
assert all(verdict.startswith("refused for sklearn.") for verdict in loaded.values()), "changed"
PYTHON
