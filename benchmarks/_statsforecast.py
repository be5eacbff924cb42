"""One forecast of each statistical method for each window, by the Python of its own environment: FOLDER.

Reads ``X.npy`` (log prices, shape (n, length)) from the folder; writes ``NAME.npy``, the changes forecast by each
method, shape (n,), and ``seconds.json``, what each method took for all windows (its first window, which compiles,
left out).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from statsforecast.models import AutoARIMA, AutoETS, AutoTheta, SimpleExponentialSmoothingOptimized

METHODS = {
    "SES": SimpleExponentialSmoothingOptimized,
    "AutoETS": AutoETS,
    "AutoTheta": AutoTheta,
    "AutoARIMA": AutoARIMA,
}

folder = Path(sys.argv[1])
X = np.load(folder / "X.npy").astype(np.float64)
seconds = {}
for name, kind in METHODS.items():
    forecast = np.empty(len(X))
    kind().forecast(y=X[0], h=1)
    began = time.process_time()
    for row, window in enumerate(X):
        try:
            forecast[row] = kind().forecast(y=window, h=1)["mean"][0] - window[-1]
        except Exception:  # a price that rests on all days has no model: it stays where it is
            forecast[row] = 0.0
    seconds[name] = time.process_time() - began
    np.save(folder / f"{name}.npy", forecast)
    print(f"  {name}: {seconds[name]:.0f} s for {len(X):,} windows", flush=True)
(folder / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
