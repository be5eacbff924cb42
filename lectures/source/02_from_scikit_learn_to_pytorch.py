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
# # Lecture 2: From scikit-learn to PyTorch
#
# **You will learn** to open a fitted scikit-learn model and find a handful of numbers in it, to let PyTorch work out
# gradients, to write a training loop that reads like prose, and to compare a network fairly with a forest.
#
# **You should know** scikit-learn's `fit` and `predict`, numpy, and lecture 1 (temporal splits, persistence).
#
# **Time**: 50 minutes to read; about 1 CPU minute to run.
#
# The question: *a random forest takes one line. What does a network need that the forest never asked for, and what
# do you get for it?*

# %%
import pickle
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from torch import nn

import itemmarket as im
from itemmarket.evaluation import plots
from itemmarket.evaluation.metrics import interval_over_items

SEED = 0

# %% [markdown]
# ## The rows
#
# Lab 1's rows: one item on one day, ten features known that day, and as target the log price change of the next
# day. The last quarter of the days is the hold-out. Look at how different the columns' scales are.

# %%
table = im.supervised(im.load_prices(), im.FeatureExtractor.basic(), min_weekly_volume=350)
table = table.take(table.dates >= "2024-09-01")
past, future = (table.take(rows) for rows in im.temporal_split(table.dates, test_fraction=0.25))
X, y = past.X.to_numpy(np.float64), past.y.astype(np.float64)
X_future = future.X.to_numpy(np.float64)
past.X.describe().T[["mean", "std"]].round(3)

# %% [markdown]
# ## A fitted model is a few numbers
#
# scikit-learn first. A linear model of ten features, once fitted, consists of eleven numbers and nothing else.

# %%
linear = LinearRegression().fit(X, y)
print("weights", np.round(linear.coef_, 4))
print("intercept", round(float(linear.intercept_), 4))

# %% [markdown]
# So it can be moved. A *tensor* is PyTorch's array; `@` is the matrix product that numpy has, too. Two libraries,
# one model: the difference should be nothing but rounding.

# %%
inputs, targets = torch.tensor(X), torch.tensor(y)
forecast = inputs @ torch.tensor(linear.coef_) + linear.intercept_
difference = float(np.abs(forecast.numpy() - linear.predict(X)).max())
print(f"largest difference: {difference:.1e}")

# %% [markdown]
# ## Who works out the gradient?
#
# `LinearRegression` solves an equation. A network has no such equation: it starts somewhere and goes downhill, for
# which it needs the slope of the error with respect to each weight. PyTorch records what is done to a tensor that
# says `requires_grad`, and `backward()` walks the record back.

# %%
guess = torch.zeros(X.shape[1], dtype=torch.float64, requires_grad=True)
error = ((inputs @ guess - targets) ** 2).mean()
error.backward()
guess.grad[:3]

# %% [markdown]
# By hand, on paper: the derivative of the mean of (Xw - y)² with respect to w is 2 Xᵀ(Xw - y) / n. At w = 0:

# %%
on_paper = 2 * X.T @ (0 - y) / len(y)
gradient_gap = float(np.abs(guess.grad.numpy() - on_paper).max() / np.abs(on_paper).max())
print(f"relative difference: {gradient_gap:.1e}")

# %% [markdown]
# ## Downhill
#
# Now descend: take a step against the gradient, forget the record (`detach`), repeat. The step size is the
# textbook's safe one, the inverse of the steepest curvature. A column of ones carries the intercept.


# %%
def descend(features: np.ndarray, steps: int) -> list[float]:
    """Return the mean squared error before each step of gradient descent from zero."""
    columns = torch.tensor(np.c_[np.ones(len(features)), features])
    weights = torch.zeros(columns.shape[1], dtype=torch.float64, requires_grad=True)
    step_size = 1 / float(torch.linalg.eigvalsh(2 * columns.T @ columns / len(columns))[-1])
    errors = []
    for _ in range(steps):
        error = ((columns @ weights - targets) ** 2).mean()
        errors.append(error.item())
        error.backward()
        weights = (weights - step_size * weights.grad).detach().requires_grad_()
    return errors


# %% [markdown]
# We know where it should arrive: least squares has solved the same problem exactly. Before you run the next cell,
# guess what share of the way down a thousand steps go.

# %%
STEPS = 1000
least = float(np.mean((linear.predict(X) - y) ** 2))
errors = {"as they are": descend(X, STEPS)}
arrived = 1 - (errors["as they are"][-1] - least) / (errors["as they are"][0] - least)
print(f"{arrived:.0%} of the way after {STEPS:,} steps")

# %% [markdown]
# ## The line that saves it
#
# It is the same data, a convex problem, exact gradients, and no network anywhere. Change one thing: give each column
# mean 0 and standard deviation 1, learned from the training rows.

# %%
mean, scale = X.mean(axis=0), X.std(axis=0)
errors["scaled"] = descend((X - mean) / scale, STEPS)
arrived_scaled = 1 - (errors["scaled"][-1] - least) / (errors["scaled"][0] - least)
print(f"{arrived_scaled:.0%} of the way after {STEPS:,} steps")

# %% [markdown]
# The curves show what is left of the way, on logarithmic axes. One of them has as good as stopped.

# %%
with plots.house_style():
    figure, axes = plt.subplots(figsize=(6, 3))
    for label, values in errors.items():
        left = (np.array(values) - least) / (values[0] - least)
        axes.loglog(np.arange(1, STEPS + 1), left, label=f"features {label}")
    axes.set(title="Linear regression by gradient descent", xlabel="Step", ylabel="Way left (1 = all)")
    axes.legend()
plots.show(figure, alt="Excess error by step: scaled features fall steadily, unscaled ones flatten early.")

# %% [markdown]
# The step must be short enough for the steepest direction, and is then far too short for the flattest. How far apart
# the two are is the *condition number*; the number of steps grows in proportion to it.

# %%
condition = {
    label: float(np.linalg.cond(np.c_[np.ones(len(rows)), rows])) ** 2
    for label, rows in {"as they are": X, "scaled": (X - mean) / scale}.items()
}
{label: f"{number:,.0f}" for label, number in condition.items()}

# %% [markdown]
# A forest hardly notices: it asks whether a feature is above a threshold, and scaling moves the threshold along.
# Every network notices. `LinearRegression` did not, because it does not descend.
#
# ## A network
#
# From here on the rows are scaled, wild values are clipped, and targets too have a spread of 1. The last tenth of
# the past, the *validation tail*, trains nothing: it says when to stop.

# %%
n_fit = int(0.9 * len(X))
mean, scale, spread = X[:n_fit].mean(axis=0), X[:n_fit].std(axis=0), y[:n_fit].std()


def to_tensor(features: np.ndarray) -> torch.Tensor:
    """Return scaled features that the network takes."""
    return torch.tensor(np.clip((features - mean) / scale, -5, 5), dtype=torch.float32)


scaled, wanted = to_tensor(X), torch.tensor(y / spread, dtype=torch.float32)

# %% [markdown]
# Without the hidden layer this would be the linear model again. ReLU bends it; dropout silences a fifth of the units
# at random while training, so that none of them can be relied on alone.

# %%
torch.manual_seed(SEED)
network = nn.Sequential(nn.Linear(X.shape[1], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
print(
    f"{sum(p.numel() for p in network.parameters()):,} numbers, where the linear model had {X.shape[1] + 1}"
)

# %% [markdown]
# ## The loop that reads like prose
#
# One *epoch* shows every training row once, in random order, a batch at a time. Read it aloud: for each batch,
# compare forecast and truth, forget the old gradients, work out new ones, take a step.

# %%
adam = torch.optim.Adam(network.parameters(), lr=3e-3)


def one_epoch() -> None:
    """Show the network every training row once."""
    network.train()
    for batch in torch.randperm(n_fit).split(512):
        loss = nn.functional.mse_loss(network(scaled[batch])[:, 0], wanted[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()


# %% [markdown]
# Why batches? A gradient of 512 rows points almost where that of all rows points, at a fraction of the price.
# Adam keeps a step size for each weight, which mends some bad scaling, and never all of it.
#
# Forecasting has two switches. `eval()` turns dropout off. `no_grad()` stops the recording, which saves memory.


# %%
def predict(features: np.ndarray) -> np.ndarray:
    """Return forecasts in the units of the target."""
    with torch.no_grad():
        network.eval()
        return network(to_tensor(features))[:, 0].numpy() * spread


# %% [markdown]
# ## When to stop
#
# After each epoch look at the validation tail. Keep a *copy* of the best weights; three epochs without a better
# one, and it is over. `state_dict()` alone would hand out the tensors that the next step changes.

# %%
tail_errors, best = [], {}
while len(tail_errors) < 30 and len(tail_errors) - np.argmin(tail_errors or [0]) <= 3:
    one_epoch()
    tail_errors.append(im.rmse(y[n_fit:], predict(X[n_fit:])))
    if tail_errors[-1] == min(tail_errors):
        best = {name: weights.clone() for name, weights in network.state_dict().items()}
network.load_state_dict(best)
print(f"stopped after {len(tail_errors)} epochs, weights of epoch {np.argmin(tail_errors) + 1}")

# %% [markdown]
# ## What happens when you forget `eval()`
#
# The most common slip of all raises no error. Ask for the same row five times with dropout left on:

# %%
network.train()
with torch.no_grad():
    noisy = network(to_tensor(X_future)[:1].repeat(5, 1))[:, 0].numpy() * spread
print("left on:", np.round(noisy, 4))
print("off:    ", np.round(predict(np.repeat(X_future[:1], 5, axis=0)), 4))

# %% [markdown]
# Over the whole hold-out the damage averages out, almost. That is why nobody notices:

# %%
network.train()
with torch.no_grad():
    dropped = network(to_tensor(X_future))[:, 0].numpy() * spread
left_on, off = (im.rmse_ratio(future.y, forecast) for forecast in (dropped, predict(X_future)))
print(f"RMSE over persistence: {left_on:.3f} with dropout left on, {off:.3f} without")

# %% [markdown]
# ## Saving without pickle
#
# `pickle.load` does not read data, it obeys instructions. Here is an object whose instruction is harmless:


# %%
class Present:
    """Looks like a model when it is saved."""

    def __reduce__(self) -> tuple:
        """Tell pickle what to call when it is loaded."""
        return print, ("this line was run by pickle.loads: it could have been any command",)


pickle.loads(pickle.dumps(Present()))

# %% [markdown]
# So save numbers only: the weights *and* the scaling, without which they are worth nothing. `im.save_artefact`
# writes safetensors and a manifest with the sha256 of every file; `im.load_artefact` checks it before it reads.

# %%
arrays = {f"net.{name}": weights for name, weights in best.items()}
arrays |= {"mean": mean, "scale": scale, "spread": np.array([spread])}
with tempfile.TemporaryDirectory() as folder:
    im.save_artefact(folder, class_name="Lecture2", config={"hidden": 64}, arrays=arrays)
    loaded = im.load_artefact(folder, class_name="Lecture2").arrays
same = all(np.array_equal(loaded[name], np.asarray(value)) for name, value in arrays.items())
print(f"the same numbers, to the last bit: {same}")

# %% [markdown]
# ## The honest comparison
#
# On the hold-out, beside all opponents: persistence (always 1), the linear model of eleven numbers, and the forest
# that lab 1 competes with. The bars carry 95 % intervals, resampled over items.

# %%
forest = RandomForestRegressor(
    n_estimators=50, min_samples_leaf=20, max_samples=0.2, max_features=0.5, n_jobs=2, random_state=SEED
).fit(X, y)
forecasts = {
    "network": predict(X_future),
    "forest": forest.predict(X_future),
    "linear": linear.predict(X_future),
    "persistence": np.zeros(len(future)),
}
result = im.compare(future.y, forecasts, items=future.names)
plots.show(plots.rmse_over_persistence(result, title="A day ahead, temporal hold-out"))

# %% [markdown]
# Network against forest, on the same rows, with an interval of its own: how far apart are they?

# %%
paired = interval_over_items(
    future.y, forecasts["network"], future.names, baseline=forecasts["forest"], statistic="rmse_ratio"
)
print(f"RMSE of the network over the forest's: {paired.estimate:.3f} ({paired.low:.3f} to {paired.high:.3f})")

# %% [markdown]
# A per cent or two, whoever is ahead. The forest got there with one line, no scaling, no tail and no stopping rule;
# on ten tabular columns it is the sensible choice. One more look before anybody celebrates either:

# %%
result[["rmse_ratio", "mae"]].round(4)

# %% [markdown]
# In *absolute* error persistence is about as good as the best, and better than the line. The squared error pays for
# taming the wild days; on a quiet day the price of today is hard to improve on.
#
# A network earns its place where there are no ten columns to begin with: in lab 2 it reads a sequence of prices, in
# lab 3 the words of a title.
#
# ## Summary
#
# - A fitted model is a few numbers. Moved into tensors, they forecast the same.
# - Autograd records what you compute and returns exact gradients: `backward()`, step, forget.
# - Gradient descent on columns of different scales never arrives. Standardise, with what the training rows say.
# - Stop by a validation tail, keep a copy of the best weights, call `eval()`, save numbers and not a pickle.
# - On tabular features compare with a forest before you are proud of a network.
#
# ## Exercises
#
# 1. ★ Leave `rsi_14` out of `X` in the unscaled descent. If it works you should see it go further in a thousand steps,
#    and still not arrive. Which column limits it now?
# 2. ★★ Multiply each column of `X` and `X_future` by a different power of two and fit the forest again. If it works you
#    should see the same RMSE to two digits. Then fit the network with `mean = 0` and `scale = 1`: what happens to its
#    error?
# 3. ★★★ Train three networks with three seeds and forecast with their mean. If it works you should see an RMSE below
#    the mean of their three. Why can it never lie above?
#
# **Read on**: Baydin et al., *Automatic differentiation in machine learning: a survey* (JMLR 2018); LeCun et al.,
# *Efficient BackProp* (1998), section 4, on scaling; Kingma and Ba, *Adam* (ICLR 2015); Srivastava et al., *Dropout*
# (JMLR 2014); Grinsztajn et al., *Why do tree-based models still outperform deep learning on tabular data?* (NeurIPS
# 2022).
