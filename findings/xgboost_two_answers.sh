#!/usr/bin/env bash
# After early stopping, XGBoost's scikit-learn wrapper and the booster inside it give different forecasts.
# The wrapper stops at the best round, the booster uses every tree that was grown. Expected: one model, one answer.
# It matters to a predictor that calls the booster, which is the faster way to forecast a single row.
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
model = xgb.XGBRegressor(n_estimators=200, early_stopping_rounds=10)
model.fit(X[:400], y[:400], eval_set=[(X[400:], y[400:])], verbose=False)
booster = model.get_booster()
wrapper, inner = model.predict(X), booster.inplace_predict(X)
apart = float(np.abs(wrapper - inner).max())
grown = booster.num_boosted_rounds()
print(f"xgboost {version('xgboost-cpu')}: best round {model.best_iteration}, rounds grown {grown}")
print(f"seen: largest difference between wrapper and booster on the same rows: {apart:.2f}")
print(f"seen: for comparison, the target's standard deviation: {y.std():.2f}")
assert apart > 0.1, "changed"
up_to_best = booster.inplace_predict(X, iteration_range=(0, model.best_iteration + 1))
print(f"seen: with the range of rounds given by hand, it is {np.abs(wrapper - up_to_best).max():.2g}")
assert np.allclose(wrapper, up_to_best), "changed"
PYTHON
