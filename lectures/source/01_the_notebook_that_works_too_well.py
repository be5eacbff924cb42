# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lecture 1: The notebook that works too well
#
# **You will learn** to recognise a score that cannot be true, to find out why, and to measure a forecast so that
# the score survives tomorrow.
#
# **You should know** pandas and scikit-learn's `fit` and `predict`.
#
# **Time**: 40 minutes to read; about 1 CPU minute to run.
#
# The question: *I can buy a Counter-Strike item today. What will it be worth in a month?*

# %%
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

import itemmarket as im
from itemmarket.evaluation import plots

SEED = 0

# %% [markdown]
# ## The data
#
# The bundled market has one row per item and day: the mean price of the day in USD, and the units sold. It is
# simulated, but held by tests to the real market's habits; `data/market.md` compares the two. We take twenty-five items
# that sell every day.

# %%
prices = im.load_prices()
items = prices.groupby("name", observed=True).agg(
    days=("date", "size"), price=("price", "median"), volume=("volume", "median")
)
busy = items[(items.volume > 100) & (items.price > 0.5)].nlargest(25, ["days", "volume"]).index
market = prices[prices["name"].isin(busy)].sort_values(["name", "date"], ignore_index=True)
market.head(3)

# %% [markdown]
# One of them. Look at how slowly the price moves, compared with how much it trembles.

# %%
name = busy[0]
plots.show(plots.price_history(market, name))

# %% [markdown]
# ## A notebook as everybody writes it
#
# Features: today's price, its means over 7 and 30 days, its standard deviation, the volume, and the day, because
# a trend might help. The target: the log change of the price over the next 30 days.

# %%
HORIZON = 30
price = market.groupby("name", observed=True)["price"]
market["ma7"] = price.transform(lambda p: p.rolling(7).mean())
market["ma30"] = price.transform(lambda p: p.rolling(30).mean())
market["sd30"] = price.transform(lambda p: p.rolling(30).std())
market["day"] = (market["date"] - market["date"].min()).dt.days
market["target"] = np.log(price.shift(-HORIZON) / market["price"])
rows = market.dropna().sort_values("date", ignore_index=True)

# %% [markdown]
# A random forest needs no scaling and no tuning. The split is scikit-learn's own, a quarter held out at random.

# %%
features = ["price", "ma7", "ma30", "sd30", "volume", "day"]
X, y = rows[features].to_numpy(), rows["target"].to_numpy()
forest = RandomForestRegressor(n_estimators=30, n_jobs=2, random_state=SEED)
shuffled = train_test_split(np.arange(len(y)), test_size=0.25, random_state=SEED)

# %% [markdown]
# Before you run the next cell, guess the share of next month's price changes that the forest explains.

# %%
train, test = shuffled
lucky = forest.fit(X[train], y[train]).predict(X[test])
r2_shuffled = r2_score(y[test], lucky)
print(f"R² on the held-out quarter: {r2_shuffled:.2f}")

# %% [markdown]
# Outstanding. Forecasts and truth line up along the diagonal:

# %%
plots.show(plots.predicted_vs_actual(y[test], lucky, title="A month ahead, shuffled split"))

# %% [markdown]
# Anybody with this model would own the market within a year. Nobody does. So look for the leak before the yacht.
#
# ## The plot that explains it
#
# Which days does the forest learn from, and which is it asked about?

# %%
temporal = im.temporal_split(rows["date"], test_fraction=0.25, horizon=HORIZON)
plots.show(plots.split_diagram(rows["date"], {"shuffled": shuffled, "temporal": temporal}))

# %% [markdown]
# Under the shuffled split, training and test rows come from the same days. Take a held-out row and look for the
# nearest training row of the same item. How far away is it?

# %%
item, day = rows["name"].to_numpy(), rows["day"].to_numpy()
trained = pd.Series(list(zip(item[train], day[train], strict=True)))
known = set(trained)
neighbour = np.mean(
    [(i, d - 1) in known or (i, d + 1) in known for i, d in zip(item[test], day[test], strict=True)]
)
print(f"{neighbour:.0%} of the held-out rows have a training row of the same item one day away")

# %% [markdown]
# And what does that neighbour know? The targets of two neighbouring days are changes over 30 days of which 29 are
# the same. The forest does not forecast; it looks up the answer next door:

# %%
by_item = rows.sort_values(["name", "day"])
pair = by_item.groupby("name", observed=True)["target"].shift(-1)
overlap = by_item["target"].corr(pair)
print(f"correlation of a target with the next day's target: {overlap:.2f}")

# %% [markdown]
# This is leakage without any wrong column: each feature is known on its day. The *split* leaks.
#
# ## The temporal split that destroys it
#
# Train on the past, test on the future. Between the two lies an *embargo* of 30 days: a training target
# must not reach into the hold-out.

# %%
train, test = temporal
honest = forest.fit(X[train], y[train]).predict(X[test])
r2_temporal = r2_score(y[test], honest)
print(f"R²: {r2_shuffled:.2f} shuffled, {r2_temporal:.2f} temporal")

# %%
plots.show(plots.predicted_vs_actual(y[test], honest, title="A month ahead, temporal split"))

# %% [markdown]
# The same rows, the same model, the same features. A negative R² says: worse than always answering the mean.
#
# ## The honest opponent
#
# *Persistence* says that the price stays as it is: a change of 0. It costs nothing, and it is hard to beat.
# From here on, every score is an RMSE divided by persistence's: below 1 is skill, above 1 is harm.

# %%
table = im.compare(y[test], {"forest": honest, "persistence": np.zeros(len(test))}, items=item[test])
plots.show(plots.rmse_over_persistence(table, title="A month ahead, temporal split"))

# %% [markdown]
# ## What remains
#
# Is nothing forecastable? Ask a smaller question: the change by *tomorrow*. The ten features of
# `FeatureExtractor.basic()` describe a price relative to its own past, so that what is learned in one year and on
# one item means something in the next and on another.

# %%
extractor = im.FeatureExtractor.basic()
table = im.supervised(prices, extractor, horizon=1, min_weekly_volume=350)
train, test = im.temporal_split(table.dates, test_fraction=0.25)
past, future = table.take(train), table.take(test)
extractor.describe()[["meaning", "unit"]]

# %% [markdown]
# The leaves are made large: a leaf of one row remembers that row's noise. Each tree sees a tenth of the rows, which
# costs little and is ten times faster.

# %%
steady = RandomForestRegressor(
    n_estimators=40, min_samples_leaf=20, max_samples=0.1, max_features=0.5, n_jobs=2, random_state=SEED
)
tomorrow = steady.fit(past.X.to_numpy(), past.y).predict(future.X.to_numpy())

# %% [markdown]
# Beside it stands the simplest rule that uses the past: tomorrow's price is the mean of the last seven days.

# %%
mean_of_week = -future.X["ma_ratio_7"].to_numpy()
forecasts = {"forest": tomorrow, "7-day mean": mean_of_week, "persistence": np.zeros(len(test))}
result = im.compare(future.y, forecasts, items=future.names)
plots.show(plots.rmse_over_persistence(result, title="A day ahead, temporal split"))

# %% [markdown]
# The bars carry 95 % intervals, resampled over items. Something real remains. It is small, and it is not what the
# first plot promised: most of it is the noise of one day's mean price, which falls back the day after.

# %%
change_today = future.X["change_1"].to_numpy()
reversal = np.corrcoef(change_today, future.y)[0, 1]
print(f"correlation of today's change with tomorrow's: {reversal:.2f}")

# %% [markdown]
# Can you trade on it? A seller's fee on such markets is around 15 %. Compare it with the size of the moves:

# %%
fee = 0.15
large = np.mean(np.abs(tomorrow) > fee)
print(f"{large:.2%} of the forecasts promise more than the fee")

# %% [markdown]
# ## Summary
#
# - A shuffled split of a time series tests the memory of a model, not its foresight. Overlapping targets make it
#   worse.
# - Split by time, with an embargo as long as the horizon.
# - A score without persistence beside it says nothing. Report RMSE over persistence, with an interval.
# - What is left is small, and worth having: in lab 1 a neural network competes for it.
#
# ## Exercises
#
# 1. ★ Leave `day` out of the features. If it works you should see the shuffled R² fall by a fifth or more, and still
#    look far too good. What gives a row's neighbour away now?
# 2. ★★ Split the rows by *item* instead (`im.split_by_item`): eighteen items train, seven test. If it works you
#    should see a score between the two. What do the items of one day share?
# 3. ★★★ Shorten the horizon from 30 days to 1, shuffled. If it works you should see most of the miracle vanish.
#    Explain it with the correlation of neighbouring targets.
#
# **Read on**: Kaufman et al., *Leakage in data mining* (ACM TKDD 2012); Bergmeir and Benítez, *On the use of
# cross-validation for time series predictor evaluation* (Information Sciences 2012); López de Prado, *Advances in
# Financial Machine Learning*, chapter 7, on purging and embargo (Wiley 2018).
