#!/usr/bin/env bash
# A decision tree and its ONNX conversion agree on whole rows, and disagree without a word on rows with a missing value.
# scikit-learn sends NaN to the child that saw more training rows, the converted tree does not.
# Expected: the same answer, or an error from one of them. It matters when a model of scikit-learn is served
# through onnxruntime.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 skl2onnx==1.20.0 onnxruntime==1.32.0
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.tree import DecisionTreeRegressor

X = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
y = X[:, 0] + X[:, 1] ** 2
tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, y)
graph = to_onnx(tree, X[:1]).SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def differences(rows):
    return np.abs(session.run(None, {"X": rows})[0].ravel() - tree.predict(rows))


missing = X.copy()
missing[:, 0] = np.nan
names = ("scikit-learn", "skl2onnx", "onnxruntime")
print(", ".join(f"{name} {version(name)}" for name in names))
print(f"seen: whole rows, largest difference: {differences(X).max():.1e}")
wrong = differences(missing)
share = np.mean(wrong > 0.01)
print(f"seen: first column missing, largest difference: {wrong.max():.2f}; {share:.0%} of the rows differ")
assert differences(X).max() < 1e-5, "changed"
assert share > 0.5, "changed"
PYTHON
