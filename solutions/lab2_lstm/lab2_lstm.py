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
# # Lab 2: an LSTM for windows of any length
#
# **You will** build a recurrent network that reads the last thirty days of an item, or the nine that a new item
# has; give each window its own yardstick; train, save and test it; and find it a place in an ensemble.
#
# **You should know** lab 1 (training with early stopping, artefacts, your own tests) and lecture 3 (windows, the
# opponents, what decides the error).
#
# **Time**: about 4 hours of work; the finished notebook runs in about 2 CPU minutes.
#
# **How it works.** As in lab 1: you write code in `lstm.py` and `test_lstm.py` beside this notebook, and in one
# cell below. Every place to fill in says `raise NotImplementedError`. After each task, run its check cell. In a
# terminal, `python course.py check lab2_lstm` runs all visible checks in the way the grader does.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import numpy as np

import itemmarket as im
from labkit import check

import lstm
from visible_checks import market_windows, opponent_forecasts

# %% [markdown]
# ## Windows
#
# A window holds the log prices of thirty consecutive days and the units sold on each. The target is the log
# change of the next day. The hold-out is the last quarter of the days, an embargo of a day apart.

# %% nbgrader={"grade": false, "grade_id": "data", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
train, test = market_windows()
print(f"{len(train):,} training windows, {len(test):,} hold-out windows from {test.dates[0]:%Y-%m-%d}")
print("shape of what the network is given:", train.sequences.shape)

# %% [markdown]
# A few training windows are shorter: the item is new, or our table begins there. Before its first day they hold NaN.
# Dropping such windows would leave a model that knows nothing of new items.

# %% nbgrader={"grade": false, "grade_id": "young", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
young = train.lengths < 30
print(f"{young.mean():.1%} of the windows are shorter; one of them:")
np.round(train.X[young][0], 2)

# %% [markdown]
# ## Task 1: clear errors for bad windows (2 points)
#
# NaN on the left means "not yet born". NaN anywhere else is a broken table, and no forecast should come of it.
# Fill in `check_windows` in `lstm.py`; the docstring says which words the messages must hold.
#
# *Hint*: `known[:, :-1] & ~known[:, 1:]` is where a known day is followed by an unknown one.

# %% nbgrader={"grade": true, "grade_id": "validation", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("validation")

# %% [markdown]
# ## Task 2: known days to the front (2 points)
#
# PyTorch packs sequences that begin at step 0 and are padded *behind*. Ours are padded before. Fill in
# `known_days` and `to_front`.
#
# *Hint*: no loop over rows is needed: build an array of shape (n, length) that says from which day each value
# comes, and index with it. Off by one is the classic here; try it on the window above.

# %% nbgrader={"grade": true, "grade_id": "padding", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("padding")

# %% [markdown]
# ## Task 3: what the network reads (2 points)
#
# One item costs three cents and another three hundred dollars; one moves by a percent a day and another by thirty.
# Fill in `window_inputs` and `ChannelScaler`: changes are measured from the last known day, in units of the
# window's own *spread*. How large the spread is, and how dear the item, stand in channels of their own.
#
# *Hint*: `np.nanmean` and `np.quantile`. Work in float64. The scaler learns from known days only.

# %% nbgrader={"grade": true, "grade_id": "inputs", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("inputs")

# %% [markdown]
# What does the yardstick do? The first channel of five windows, each on its own scale: they have become comparable.

# %% nbgrader={"grade": false, "grade_id": "shapes", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
inputs, spread = lstm.window_inputs(test.sequences[:5])
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(inputs[..., 0].T)
axes.set(
    title="Five windows, in units of their own spread",
    xlabel="Day of the window",
    ylabel="Change from last day",
)
im.show(figure, alt="Five lines between about minus three and three that all end at zero.")
print("their spreads:", spread.round(3))

# %% [markdown]
# ## Task 4: the network (2 points)
#
# Fill in `PriceLSTM` and `network_outputs`: an LSTM over the packed sequences, and a head (dropout, linear, ReLU,
# linear) on its state after the *last known* day.
#
# *Hint*: `pack_padded_sequence(..., enforce_sorted=False)`; the LSTM returns `output, (state, cell)`, and the state
# of packed sequences is already that of each one's own end. What `output[:, -1]` would be for a short one, try!

# %% nbgrader={"grade": true, "grade_id": "network", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("network")

# %% [markdown]
# ## Task 5: training with early stopping (4 points)
#
# Fill in `_prepare`, `_train_epoch` and `fit`, as in lab 1: the last windows are the validation tail, nothing is
# learned from it, the best weights come back. Two things are new: the network's output is multiplied by the
# window's spread before it meets the target, and the loss is
# `robust_loss`, which is given. Names of what `fit` learns end in `_`, and a second `fit` forgets the first.
#
# *Hint*: inputs, lengths, spreads and targets must all be picked by the same batch of positions. You will need
# `predict` (task 6) for the validation loss, and the check asks it, too; the two tasks go hand in hand.

# %% nbgrader={"grade": true, "grade_id": "training", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("training")

# %% [markdown]
# ## Task 6: forecasting (2 points)
#
# Fill in `predict`. A window must get the same forecast alone, in a batch of a thousand, padded with NaN, or cut to
# its known days. Production will ask for one window at a time, and wait for it: 100 ms is the limit.
#
# And a forecast is never larger than its window's spread. A spike on the last day of a month that falls back whole is a
# change of about one spread; a network that answers much more has met a window unlike any it knows, and a few such
# answers spoil an RMSE. (In windows of two or three days the limit cuts off some of the fall.)
#
# *Hint*: `check_windows(X, n_series=...)` compares with what `fit` saw. The forecast is output × spread, the output
# clipped to ±1 (`np.clip`).

# %% nbgrader={"grade": true, "grade_id": "prediction", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("prediction")

# %% [markdown]
# ## Task 7: save and load (2 points)
#
# Fill in `save` and `load` with `im.save_artefact` and `im.load_artefact`, and write their docstrings in numpydoc
# style: parameters, what `load` returns, and what they raise (`NotFittedError`, `itemmarket.ArtefactError`).
#
# *Hint*: which numbers did `fit` learn besides the weights? And how many series does the model read?

# %% nbgrader={"grade": true, "grade_id": "artefact", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("artefact")

# %% [markdown]
# ## Task 8: the market decides (4 points)
#
# The grader trains your model on these windows and tests it on a market that nobody has seen, on windows of 9
# to 30 known days. Your RMSE must be at most 0.90 × persistence; full marks start 3 % beyond.
#
# The loss should fall at first and then tremble: a few windows decide it. The dot is where the weights come from.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
model = lstm.LSTMPricePredictor(seed=0).fit(train.sequences, train.y)
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(model.validation_losses_, color="0.3")
axes.plot(model.best_epoch_, min(model.validation_losses_), "o", color="#D55E00")
axes.set(title="Validation loss by epoch", xlabel="Epoch", ylabel="Robust loss (y_scale_ squared)")
im.show(figure, alt="The validation loss falls and trembles over the epochs; a dot marks the best epoch.")

# %% [markdown]
# Beside it the opponents of lecture 3, on the same hold-out windows (1 is persistence; lower is better):

# %% nbgrader={"grade": false, "grade_id": "opponents", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
validation, (ensemble_validation, ensemble_test) = opponent_forecasts()
forecasts = {
    "LSTM": model.predict(test.sequences),
    "ridge and forest": ensemble_test,
    "7-day mean": im.MovingAverage(7).fit(test.X, test.y).predict(test.X),
}
im.compare(test.y, forecasts, items=test.names)[["rmse", "mae", "rmse_ratio", "low", "high"]].round(3)

# %% nbgrader={"grade": true, "grade_id": "skill", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("skill")

# %% [markdown]
# ## Task 9: a place in the ensemble (2 points)
#
# In production nobody throws a working ensemble away for a network. How much of the network should it take? Fill in
# `ensemble_weight`: the weight with the lowest squared error on *validation* windows.
#
# *Hint*: (1 - w) a + w b = a + w (b - a). That is a straight line through the origin: least squares in one line.

# %% nbgrader={"grade": false, "grade_id": "weight", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
weight = lstm.ensemble_weight(validation.y, ensemble_validation, model.predict(validation.sequences))
mixed = (1 - weight) * ensemble_test + weight * forecasts["LSTM"]
print(f"the network's weight is {weight:.2f}")
{"without": round(im.rmse_ratio(test.y, ensemble_test), 3), "with": round(im.rmse_ratio(test.y, mixed), 3)}

# %% nbgrader={"grade": true, "grade_id": "ensemble", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("ensemble")

# %% [markdown]
# ## Task 10: reading the results (3 points)
#
# Three experiments. First: of all squared changes in the training windows, how much do the largest 1 % hold?

# %% nbgrader={"grade": false, "grade_id": "share", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
squares = np.sort(train.y.astype(float) ** 2)[::-1]
print(f"{squares[: len(squares) // 100].sum() / squares.sum():.0%}")

# %% [markdown]
# Second: the same window with moves ten times as large. What happens to the forecast?

# %% nbgrader={"grade": false, "grade_id": "tenfold", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
quiet = test.sequences[:200].copy()
wild = quiet.copy()
wild[..., 0] = quiet[:, -1:, 0] + 10 * (quiet[..., 0] - quiet[:, -1:, 0])
print(
    "size of the forecasts, quiet and wild:",
    [np.abs(model.predict(X)).mean().round(3) for X in (quiet, wild)],
)

# %% [markdown]
# Third: the hold-out windows cut to their last days. How much of the forecast is left?

# %% nbgrader={"grade": false, "grade_id": "cut", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
{
    days: round(im.rmse_ratio(test.y, model.predict(test.sequences[:, -days:])), 3)
    for days in (5, 7, 9, 15, 30)
}

# %% [markdown]
# Choose one letter for each question.
#
# **loss**: why is the loss not the plain squared error, although RMSE decides in the end?
# (a) squared errors are slow to compute; (b) a few overpaid trades hold most of it, so that each batch would pull the
# weights towards whatever freak it contains; (c) the Huber loss makes forecasts unbiased; (d) RMSE does not matter.
#
# **spread**: why is each window measured in units of its own spread?
# (a) so that float32 does not overflow; (b) so that all items get the same forecast; (c) because Adam needs inputs
# below 1; (d) so that a spike of any size is one and the same shape, and falls back in proportion to its size.
#
# **days**: what do the first three weeks of a month-long window buy?
# (a) most of the skill; (b) nothing can be forecast without them; (c) very little: the last week or so holds nearly
# all, so that new items can be served, too; (d) they do harm.

# %% nbgrader={"grade": false, "grade_id": "reading_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
answers = {"loss": "b", "spread": "d", "days": "c"}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "reading", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("reading")

# %% [markdown]
# ## Task 11: your own tests (4 points)
#
# Fill in `test_lstm.py`; add tests of your own if you like. The rules are those of lab 1: they pass on your
# `lstm.py`, run more than 80 % of its branches, notice 80 % of the bugs that the grader plants, and accept other
# correct solutions. Test what a docstring promises, on little data: a dozen days, a hundred windows, few epochs.
#
# *Hint*: planted bugs live where windows of different lengths meet. Do your tests mix them?

# %% nbgrader={"grade": true, "grade_id": "own_tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("own_tests")

# %% [markdown]
# ## Task 12: documentation (1 point)
#
# Every public function and method needs a docstring in numpydoc style. Most are there; task 7 left two to you.

# %% nbgrader={"grade": true, "grade_id": "documentation", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("documentation")

# %% [markdown]
# ## A week ahead
#
# The horizon is in the target alone: the same class forecasts a week ahead. Look at how much less is left.

# %% nbgrader={"grade": false, "grade_id": "week", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
week_train, week_test = market_windows(horizon=7)
week = lstm.LSTMPricePredictor(max_epochs=3).fit(week_train.sequences, week_train.y)
print(f"RMSE / persistence, 7 days: {im.rmse_ratio(week_test.y, week.predict(week_test.sequences)):.3f}")

# %% [markdown]
# ## Summary
#
# - Windows of any length are packed; the state after the last known day is what counts.
# - A yardstick of its own makes windows of all items comparable, and a spike of any size a known shape.
# - A few trades decide the RMSE: train with a loss that does not chase them, and judge with intervals.
# - A new model joins an ensemble with the weight that validation gives it.
#
# ## Exercises
#
# 1. ★ Leave out the units sold (`train.X` for `train.sequences`). If it works you should see a slightly higher
#    ratio: when is a price worth little?
# 2. ★★ Replace `robust_loss` by the mean squared error. If it works you should see the three seeds disagree more.
# 3. ★★★ Replace the LSTM by a GRU, and by a convolution over the days. If it works you should see almost the same
#    ratio: how much of the skill is the network's, and how much the inputs'?
#
# **Read on**: Hochreiter and Schmidhuber, *Long short-term memory* (Neural Computation 1997); Kim et al.,
# *Reversible instance normalization for accurate time-series forecasting against distribution shift* (ICLR 2022);
# Huber, *Robust estimation of a location parameter* (1964); Smyl, *A hybrid method of exponential smoothing and
# recurrent neural networks* (International Journal of Forecasting 2020).
