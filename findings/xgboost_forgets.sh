#!/usr/bin/env bash
# XGBoost's scikit-learn wrapper, saved and loaded, forgets how it was configured: it forecasts as before, but fitted
# again it trains with the defaults.
# Expected: a loaded estimator can be fitted again on new rows like the one that was saved. It matters when a
# stored model is trained again.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check xgboost-cpu==3.2.0 scikit-learn==1.9.1
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 5))
y = X[:, 0] + rng.normal(size=600)
saved = xgb.XGBRegressor(n_estimators=7, max_depth=2, learning_rate=0.1).fit(X, y)
saved.save_model("model.json")
loaded = xgb.XGBRegressor()
loaded.load_model("model.json")
print(f"xgboost {version('xgboost-cpu')}: a model of 7 trees of depth 2, saved and loaded")
print(f"seen: the same forecasts: {np.array_equal(saved.predict(X), loaded.predict(X))}")
names = ("n_estimators", "max_depth", "learning_rate")
print("seen: saved ", {name: saved.get_params()[name] for name in names})
print("seen: loaded", {name: loaded.get_params()[name] for name in names})
assert np.array_equal(saved.predict(X), loaded.predict(X)), "changed"
grown = loaded.fit(X, y).get_booster().num_boosted_rounds()
print(f"seen: fitted again on the same rows, it grows {grown} trees")
assert grown == 100, "changed"
PYTHON
