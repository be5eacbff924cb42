#!/usr/bin/env bash
# statsforecast counts rows, not days: one missing day moves the week, although dates and freq="D" are given.
# Expected: the gap is an error, a warning, or a missing value. It matters wherever
# items do not sell every day.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check statsforecast==2.1.0
env/bin/python - << 'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import SeasonalNaive

days = pd.date_range("2026-01-05", "2026-03-15")  # Monday to Sunday, ten weeks
sales = pd.DataFrame({"unique_id": "item", "ds": days, "y": np.where(days.dayofweek == 6, 100.0, 10.0)})


def busy_days(table):
    forecast = StatsForecast([SeasonalNaive(7)], freq="D").forecast(df=table, h=7)
    return forecast.loc[forecast["SeasonalNaive"] == 100, "ds"].dt.day_name().tolist()


whole, with_gap = busy_days(sales), busy_days(sales[sales["ds"] != "2026-03-10"])
print(f"statsforecast {version('statsforecast')}: an item sells 100 on Sundays and 10 on other days")
print(f"seen: forecast busy days, all 70 days given: {', '.join(whole)}")
print(f"seen: forecast busy days, one Tuesday left out: {', '.join(with_gap)}")
assert whole == ["Sunday"], "changed"
assert with_gap == ["Monday", "Sunday"], "changed"
PYTHON
