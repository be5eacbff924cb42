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
# # Lecture 3: Sequences and forecasting
#
# **You will learn** to cut a market into windows without leaks, to choose opponents that a practitioner would fear,
# to find out what decides an error, and to give a recurrent network inputs that it can learn from.
#
# **You should know** lecture 1 (temporal splits, persistence) and lecture 2 (a training loop in PyTorch).
#
# **Time**: 50 minutes to read; about 2 CPU minutes to run.
#
# The question: *does a network that reads a month of prices know more about tomorrow than their mean does?*

# %%
import os
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import nn

import itemmarket as im
from itemmarket.evaluation import plots

SEED = 0
torch.set_num_threads(1)  # small batches gain nothing from a second thread

# %% [markdown]
# ## Windows
#
# A window is thirty consecutive days of one item: log prices, and units sold. The target is the log change of the
# next day. `im.price_windows` cuts within one item only, never across a gap, and puts NaN before an item's first day
# in the table.

# %%
prices = im.load_prices()
recent = prices[prices["date"] >= "2023-01-01"]
windows = im.price_windows(recent, 30, step=4, min_volume=30, min_length=9)
print(f"{len(windows):,} windows of {len(np.unique(windows.names))} items")
print(f"{np.mean(windows.lengths < 30):.1%} are short")

# %% [markdown]
# Split by time, with an embargo of a day. Windows that begin a few days apart say nearly the same, so every third
# row is enough to train on. For the opponents, who cannot read NaN, short windows are left out for now.

# %%
past, future = (windows.take(rows) for rows in im.temporal_split(windows.dates, test_fraction=0.25))
past, future = past.take(past.lengths == 30), future.take(future.lengths == 30)
past = past.take(np.arange(0, len(past), 3))
print(f"{len(past):,} windows to train on, {len(future):,} held out from {future.dates[0]:%Y-%m-%d}")

# %% [markdown]
# ## Opponents to fear
#
# A day's price is the mean of its trades: the item's value and some noise. Whoever averages the last days gets rid of
# noise. *Exponential smoothing* does it with a weight that fades into the past; how fast is chosen for each
# window, by its own one-day-ahead errors. It is nearly seventy years old and hard to beat.


# %%
def smoothed(X):
    """Return the change to the exponentially smoothed level, with the best weight for each window."""
    best, least = np.zeros(len(X)), np.full(len(X), np.inf)
    for alpha in np.linspace(0.05, 1, 20):
        level, squares = X[:, 0], np.zeros(len(X))
        for day in X.T[1:]:
            squares = squares + (day - level) ** 2
            level = level + alpha * (day - level)
        best, least = np.where(squares < least, level, best), np.minimum(squares, least)
    return best - X[:, -1]


# %% [markdown]
# Three models that learn from all items: ridge regression on the days, a random forest on three summaries, and
# gradient-boosted trees on the days and the units sold, the practitioner's first choice for tables.


# %%
def columns(rows):
    """Return the changes from the last day, the log price and the log units of each window as columns."""
    return np.c_[rows.X - rows.X[:, -1:], rows.X[:, -1], np.log1p(rows.volumes)]


boosting = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, random_state=SEED)
boosting.fit(columns(past), past.y)

# %% [markdown]
# All of them, a day ahead. Before you run the cell: how far below persistence will the best of them come?

# %%
forecasts = {"exponential smoothing": smoothed(future.X), "boosted trees": boosting.predict(columns(future))}
for name, model in {
    "7-day mean": im.MovingAverage(7),
    "ridge": im.RidgeLags(),
    "forest": im.WindowForest(40, max_samples=0.5, n_jobs=2),
    "persistence": im.Persistence(),
}.items():
    forecasts[name] = model.fit(past.X, past.y).predict(future.X)
table = im.compare(future.y, forecasts, items=future.names)
plots.show(plots.rmse_over_persistence(table, title="A day ahead: the opponents"))

# %% [markdown]
# The intervals are wide, although there are thousands of windows. Something must be odd about the errors.
#
# ## What decides the error
#
# Sort the held-out windows by their squared change, and add up.

# %%
squares = np.sort(future.y.astype(float) ** 2)[::-1]
share = np.cumsum(squares) / squares.sum()
percent = 100 * np.arange(1, len(share) + 1) / len(share)
with plots.house_style():
    figure = Figure()
    axes = figure.subplots()
    axes.plot(percent, 100 * share)
    axes.set(xscale="log", title="Who holds the squared error of persistence?")
    axes.set(xlabel="Largest moves (% of the windows)", ylabel="Share of the error (%)")
plots.show(
    figure, alt="The share of the squared error rises steeply: a hundredth of the windows holds most of it."
)

# %%
top = share[len(share) // 100]
print(f"one window in a hundred holds {top:.0%} of the squared error")

# %% [markdown]
# Not market moves, but single overpaid trades: somebody pays a dollar for an item worth three cents, and the mean
# of that day jumps. Nobody can forecast the jump. But the day *after* it is the easiest of all. Look at windows whose
# last day stands far above the day before:

# %%
jumped = np.flatnonzero(future.X[:, -1] - future.X[:, -2] > 0.5)
fall = future.y[jumped] / (future.X[jumped, -1] - np.median(future.X[jumped], axis=1))
print(
    f"{len(jumped)} windows end in a jump; next day the price falls by {-np.median(fall):.0%} of it (median)"
)

# %% [markdown]
# So the whole competition is about one shape: a spike on the last day, of *any* size. A tree has one answer per
# leaf, and meets few large spikes: it cannot answer in proportion. A linear model can, but has to treat a small
# tremble as it treats a spike.
#
# ## A network that reads days in order
#
# A recurrent network keeps a *state*, a vector that each day updates. After the last day a small head turns the state
# into a forecast. Here it is a GRU, the LSTM's smaller sister; in lab 2 you build the LSTM.


# %%
class Reader(nn.Module):
    """Reads days in order, and forecasts from what it remembers."""

    def __init__(self, channels, hidden=48):
        torch.manual_seed(SEED)  # the weights, and the order of the batches after them
        super().__init__()
        self.gru = nn.GRU(channels, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, days):
        """Return one number for each sequence of days, shape (n, length, channels)."""
        return self.head(self.gru(days)[1][-1])[:, 0]


# %% [markdown]
# Training as in lecture 2, with two additions. The output is multiplied by a *unit*, which we will need in a minute.
# And the loss is Huber's: squared for ordinary errors, linear for the few freaks, which would otherwise drag the
# weights along from batch to batch.


# %%
def train(days, unit, y, epochs=5):
    """Return a network trained to forecast y as output × unit."""
    network, scale = Reader(days.shape[2]), y.std()
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(128):
            forecast = network(days[batch]) * unit[batch] / scale
            loss = nn.functional.huber_loss(forecast, y[batch] / scale, delta=3.0)
            adam.zero_grad()
            loss.backward()
            adam.step()
    return network


# %% [markdown]
# First the obvious inputs: the change of each day from the last one, the log price, and the log units sold. Their
# medians and quartiles over all training windows give the scale.


# %%
def channels(rows):
    """Return three numbers for each day of each window."""
    return np.stack([rows.X - rows.X[:, -1:], rows.X, np.log1p(rows.volumes)], axis=-1)


low, middle, high = np.quantile(channels(past), [0.25, 0.5, 0.75], axis=(0, 1))

# %% [markdown]
# One scale for all windows, and the unit is 1:


# %%
def plain(rows):
    """Return inputs on one scale for all windows, and the unit 1."""
    days = np.clip((channels(rows) - middle) / (high - low), -8, 8)
    return torch.tensor(days, dtype=torch.float32), torch.ones(len(rows))


# %% [markdown]
# One function forecasts for every kind of inputs, without gradients:


# %%
def ask(network, inputs):
    """Return what a network forecasts for inputs and their units."""
    days, unit = inputs
    with torch.no_grad():
        return (network.eval()(days) * unit).numpy()


truth = torch.from_numpy(past.y)
forecasts["network"] = ask(train(*plain(past), truth), plain(future))
print(f"network: {im.rmse_ratio(future.y, forecasts['network']):.3f} × persistence")

# %% [markdown]
# Where does it stand in the table above? Beside the boosted trees: a tie, far within the intervals. Reading the days
# in order has gained nothing over a table of them. The inputs are clipped, else the wild windows would blind it; so a
# large spike and a huge one look the same.
#
# ## A yardstick for each window
#
# Now measure each window in its own unit: the root mean square of its changes from the last day. The network reads
# the *shape* in these units, and its output counts in them too. How large the unit is stands in a channel of its own.
# Nothing else changes: the same network, windows, loss and seed.


# %%
def measured(rows):
    """Return inputs in units of each window's own spread, and that unit."""
    change = rows.X - rows.X[:, -1:]
    unit = np.sqrt((change**2).mean(axis=1, keepdims=True)) + 0.01
    days = np.stack([change / unit, np.log(unit) + 0 * change, rows.X, np.log1p(rows.volumes)], axis=-1)
    days = (days - [0, -2.5, 0, 4.5]) / [1, 1, 2.5, 1.5]
    return torch.tensor(days, dtype=torch.float32).clip(-8, 8), torch.tensor(unit[:, 0])


network = train(*measured(past), truth)
forecasts["network, own yardstick"] = ask(network, measured(future))

# %%
table = im.compare(future.y, forecasts, items=future.names)
plots.show(plots.rmse_over_persistence(table, title="A day ahead, temporal split"))

# %% [markdown]
# A line of arithmetic did what the recurrence had not done. With its own yardstick, a spike of any size is one and
# the same shape, and "it falls back by all of it" is one rule instead of a thousand. The architecture was never the
# problem. This is *reversible instance normalisation*; statisticians have scaled each series by itself for decades.
#
# ## Who wins, and by how much
#
# Is it the recurrent network that wins, or the yardstick? Give boosted trees the same inputs: the shape in units of
# the window, the unit as the weight of a window, and the answer in units, too.


# %%
def flat(days):
    """Return the shape, the unit, the log price and the units sold of each window as columns."""
    return np.c_[days[..., 0], days[:, -1, 1:], days[..., 3]]


days, unit = (values.numpy() for values in measured(past))
trees = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, random_state=SEED)
trees.fit(flat(days), past.y / unit, sample_weight=unit)
days, unit = (values.numpy() for values in measured(future))
forecasts["trees, own yardstick"] = trees.predict(flat(days)) * unit
result = im.compare(future.y, forecasts, items=future.names)
result[["rmse", "mae", "rmse_ratio", "low", "high"]].round(3)

# %% [markdown]
# Read the table twice: by RMSE, and by mean absolute error, which spikes do not decide.

# %%
absolute = result["mae"] / result.loc["persistence", "mae"]
print(absolute.sort_values().round(3).to_string())

# %% [markdown]
# The trees gain from the yardstick as well; the network that reads days in order stays ahead, but look how far the
# intervals overlap. By the absolute error most of the field is hardly better than persistence, and the means do
# harm: what they win on spikes they pay for on ordinary days. Only the network with its yardstick gains clearly on
# both. Whether that is worth a network depends on what an error costs you: smoothing needs no training at all.
#
# ## What the units sold are good for
#
# A mean of three trades is noisier than one of three hundred. Leave the units out, and train once more:


# %%
def silent(inputs):
    """Return inputs without the units sold."""
    days, unit = inputs
    return days[..., :3], unit


without = ask(train(*silent(measured(past)), truth), silent(measured(future)))
print(f"with units sold {im.rmse_ratio(future.y, forecasts['network, own yardstick']):.3f}, ", end="")
print(f"without {im.rmse_ratio(future.y, without):.3f}")

# %% [markdown]
# ## Windows of any length
#
# A new item has nine days, not thirty, and NaN before. A network should read those nine and stop. PyTorch *packs*
# sequences of unequal lengths: each is read to its own end, and no padding is ever seen.

# %%
sequences = torch.zeros(2, 5, 4)
sequences[0], sequences[1, :2] = torch.randn(5, 4), torch.randn(2, 4)
packed = nn.utils.rnn.pack_padded_sequence(sequences, [5, 2], batch_first=True)
_, states = network.gru(packed)
alone = network.gru(sequences[1:, :2])[1]
print("the short one, packed with a long one or alone:", torch.allclose(states[0, 1], alone[0, 0], atol=1e-6))

# %% [markdown]
# How much does a short history cost? Cut the held-out windows to their last days; the yardstick is then that of
# the days which are left.

# %%
for length in (3, 5, 9, 30):
    cut = im.Windows(future.X[:, -length:], future.volumes[:, -length:], future.y, future.names, future.dates)
    print(f"{length:2} days: {im.rmse_ratio(future.y, ask(network, measured(cut))):.3f}")

# %% [markdown]
# ## And on real items?
#
# The bundled market is simulated. Where the real history of some hundred items is at hand (the environment variable
# `COURSE_REAL_MARKET` names its folder), the same cells run on it; nothing of it is shipped with the course.

# %%
file = Path(os.environ.get("COURSE_REAL_MARKET", "not-here")) / "steam_daily.parquet"
real = None
if file.is_file():
    real = im.load_prices(file)
    real = im.price_windows(real[real["date"] >= "2023-01-01"], 30, step=4, min_volume=30)
    known, coming = (real.take(rows) for rows in im.temporal_split(real.dates, test_fraction=0.25))
    print(f"{len(known):,} and {len(coming):,} windows of real items")
else:
    print("The real items are not on this machine: what follows is left out.")

# %%
if real is not None:
    known = known.take(np.arange(0, len(known), 3))
    real_network = train(*measured(known), torch.from_numpy(known.y))
    answers = {"7-day mean": im.MovingAverage(7).fit(known.X, known.y).predict(coming.X)}
    answers |= {"exponential smoothing": smoothed(coming.X), "persistence": np.zeros(len(coming))}
    answers["network, own yardstick"] = ask(real_network, measured(coming))
    real_table = im.compare(coming.y, answers, items=coming.names)
    plots.show(plots.rmse_over_persistence(real_table, title="A day ahead, real items"))

# %% [markdown]
# `python course.py bench forecasting` prints the long table: AutoETS, AutoTheta and AutoARIMA too, the LSTM of
# lab 2 with three seeds, and what each costs in time. Who wins there? By RMSE, nobody whom you could name in advance.
# On the bundled market exponential smoothing, which knows one window and has never been trained, ties with the LSTM; on
# real items AutoTheta, a relative of smoothing, and even the mean of three days do. There the three seeds of one LSTM
# lie as far apart as nearly the whole field.
#
# Why does a formula of the 1950s tie? RMSE asks one question: how far does a spike fall back? One number per window,
# chosen by its own past errors, answers it nearly as well as a network. By the absolute error the LSTM is ahead on
# both markets: it also knows the many days on which nothing will fall back. Choose by what an error costs you, and
# when it is the square, try smoothing first.
#
# ## Summary
#
# - Cut windows within an item, split them by time, and put smoothing and boosted trees beside any network.
# - Look at what decides the error before you look for a better model. Here it is one window in a hundred.
# - Scale each window by itself: a shape that comes in all sizes becomes one shape.
# - What can be forecast is mostly noise that falls back, and a week or so of history holds nearly all of it.
#
# ## Exercises
#
# 1. ★ Leave out windows whose last day jumped (`jumped`), and compare again. If it works you should see the gap between
#    network and smoothing shrink.
# 2. ★★ Shorten the windows that the *trees* read to nine days. If it works you should see nearly the same ratio.
# 3. ★★★ Train with the mean squared error in place of Huber's, for three seeds. If it works you should see the
#    seeds disagree more.
#
# **Read on**: Gardner, *Exponential smoothing: the state of the art, part II* (International Journal of Forecasting
# 2006); Cho et al., *Learning phrase representations using RNN encoder–decoder* (EMNLP 2014), on the GRU; Kim et al.,
# *Reversible instance normalization* (ICLR 2022); Makridakis et al., *The M4 competition* (International Journal of
# Forecasting 2020).
