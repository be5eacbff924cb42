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
# # Lab 1: from scikit-learn to PyTorch
#
# **You will** rebuild a random forest's job as a multilayer perceptron in PyTorch: scale the inputs, build the
# network, train it with early stopping, save it without pickle, test it, and compare it honestly.
#
# **You should know** numpy, scikit-learn's `fit` and `predict`, lecture 1 (temporal splits, persistence) and lecture 2
# (tensors, the training loop).
#
# **Time**: about 3 hours of work; the finished notebook runs in under 2 CPU minutes.
#
# **How it works.** You write code in two files beside this notebook, `mlp.py` and `test_mlp.py`, and in a few
# cells below. Every place to fill in says `raise NotImplementedError`: replace that line. After each task, run
# its check cell. The checks are in `visible_checks.py`; read them whenever you like.
#
# In a terminal, `python course.py check lab1_mlp` runs all visible checks in the way the grader does.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
import numpy as np

import itemmarket as im
from labkit import check

import mlp
from visible_checks import make_forest, market_rows

# %% [markdown]
# ## The market and the target
#
# Each row of the table is one item on one day: ten features known on that day. The target is the log price
# change of the *next* day. Items that sell fewer than ten units a day are left out: their daily mean price is
# mostly noise.

# %% nbgrader={"grade": false, "grade_id": "data", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
table, split = market_rows()
train, test = table.take(split.train), table.take(split.test)
print(f"{len(train):,} training rows, {len(test):,} hold-out rows from {test.dates[0]:%Y-%m-%d}")
train.X.describe().T[["mean", "std", "min", "max"]].round(3)

# %% [markdown]
# Look at the scales: the columns differ by orders of magnitude. A forest does not care. A network does.
#
# ## The opponents
#
# Persistence says that tomorrow's price is today's: its forecast of the log change is 0. The random forest is
# the one of lecture 1. A model is worth its electricity when it beats both on the hold-out.

# %% nbgrader={"grade": false, "grade_id": "opponents", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
forest = make_forest().fit(train.X.to_numpy(), train.y)
forecasts = {"persistence": np.zeros(len(test)), "forest": forest.predict(test.X.to_numpy())}
{name: round(im.rmse(test.y, forecast), 5) for name, forecast in forecasts.items()}

# %% [markdown]
# ## Task 1: scale the inputs (2 points)
#
# Fill in `Standardiser.fit` and `Standardiser.transform` in `mlp.py`. Two things go wrong in practice, and the
# docstrings name both: a column that never changes, and a price so wild that one row drowns all others.
#
# *Hint*: `X.mean(axis=0)` is the mean of each column. Compute in float64 and return float32.

# %% nbgrader={"grade": true, "grade_id": "scaling", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("scaling")

# %% [markdown]
# ## Task 2: the network (2 points)
#
# Fill in `make_network`: for each hidden width a linear layer, a ReLU and dropout, then one linear output.
#
# *Hint*: collect the layers in a list, then `nn.Sequential(*layers)`.

# %% nbgrader={"grade": true, "grade_id": "network", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("network")

# %% [markdown]
# How many numbers will it learn? Compare with the number of training rows above.

# %% nbgrader={"grade": false, "grade_id": "size", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
network = mlp.make_network(n_features=train.X.shape[1])
print(f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters")

# %% [markdown]
# ## Task 3: clear errors for bad input (2 points)
#
# A model that accepts NaN answers NaN, and somebody downstream buys at that price. Fill in `check_inputs`; the
# docstring says which words the messages must hold.
#
# *Hint*: test the number of dimensions first, then emptiness, then the width, then NaN.

# %% nbgrader={"grade": true, "grade_id": "validation", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("validation")

# %% [markdown]
# ## Task 4: training with early stopping (5 points)
#
# Fill in `_train_epoch` and `fit`. The order of the steps in `fit`:
#
# 1. cut off the validation tail (the last rows: the most recent days);
# 2. fit the `Standardiser` on the training rows only, and remember the spread of `y` in `y_scale_`;
# 3. after each epoch, note the validation loss, and keep a *copy* of the weights when it is the best so far;
# 4. stop `patience` epochs after the best; load the best weights.
#
# Both classes are scikit-learn estimators, and keep two rules that `clone`, pipelines and grid searches rest on:
# `__init__` stores its arguments and does nothing else, and what `fit` learns has a name that ends in `_`, such as
# `network_`. A second `fit` forgets the first.
#
# *Hint*: `state_dict()` returns references that the next step overwrites. Clone the tensors.
# You will need `predict` (task 5) for the validation loss; the two tasks go hand in hand.

# %% nbgrader={"grade": true, "grade_id": "training", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("training")

# %% [markdown]
# ## Task 5: forecasting (2 points)
#
# Fill in `predict`: refuse an unfitted model and bad input, scale, switch dropout off, go back to the units of
# `y`, and return one number per row.
#
# *Hint*: `network_.eval()` and `torch.no_grad()` do different things. You want both. And
# `check_is_fitted(self, "network_")` raises `NotFittedError` where there is no network yet.

# %% nbgrader={"grade": true, "grade_id": "prediction", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("prediction")

# %% [markdown]
# ## Task 6: save and load (3 points)
#
# A pickle runs code when it is read; an artefact is only numbers. Fill in `save` and `load` with
# `im.save_artefact` and `im.load_artefact`, and write their docstrings in numpydoc style: parameters, what
# `load` returns, and what they raise (`NotFittedError` from `save`, `itemmarket.ArtefactError` from `load`).
#
# *Hint*: a network without its scaling constants is worth nothing. What else must `load` know to build it again?

# %% nbgrader={"grade": true, "grade_id": "artefact", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("artefact")

# %% [markdown]
# ## Task 7: the market decides (4 points)
#
# Now the real thing. The grader trains your model on these rows and tests it on another market, which neither
# you nor the model has seen. Your RMSE must be at most 0.95 × persistence and 1.05 × the random forest. Full
# marks start 3 % beyond either figure, so luck with a seed costs you nothing.
#
# The curve should fall quickly, then flatten. The dot is where the weights come from.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
model = mlp.PyTorchPredictor(seed=0).fit(train.X.to_numpy(), train.y)
forecasts["network"] = model.predict(test.X.to_numpy())
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(np.sqrt(model.validation_losses_), color="0.3")
axes.plot(model.best_epoch_, np.sqrt(min(model.validation_losses_)), "o", color="#D55E00")
axes.set(title="Validation error by epoch", xlabel="Epoch", ylabel="RMSE (log price change)")
im.show(figure, alt="Validation RMSE falls in the first epochs and flattens; a dot marks the best epoch.")

# %% nbgrader={"grade": true, "grade_id": "skill", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("skill")

# %% [markdown]
# ## Task 8: an honest comparison (2 points)
#
# An RMSE of 0.03 means nothing by itself. Write `comparison(y, predictions)`: it takes the true changes and a
# dictionary of forecasts by model name, and returns a dictionary of RMSE divided by persistence's RMSE.
#
# *Hint*: `im.rmse`, and a forecast of zeros.


# %% nbgrader={"grade": false, "grade_id": "comparison_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
def comparison(y: np.ndarray, predictions: dict[str, np.ndarray]) -> dict[str, float]:
    """Return each model's RMSE over persistence's."""
    ### BEGIN SOLUTION
    persistence = im.rmse(y, np.zeros(len(y)))
    return {name: im.rmse(y, forecast) / persistence for name, forecast in predictions.items()}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "comparison", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("comparison")

# %% [markdown]
# On the hold-out, beside the opponents (1 is persistence; lower is better):

# %% nbgrader={"grade": false, "grade_id": "table", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
{name: round(ratio, 3) for name, ratio in comparison(test.y, forecasts).items()}

# %% [markdown]
# ## Task 9: reading the results (3 points)
#
# Two experiments. First: dropout left on while forecasting, as when `eval()` is forgotten.

# %% nbgrader={"grade": false, "grade_id": "noisy", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
noisy = mlp.PyTorchPredictor(max_epochs=2).fit(train.X.to_numpy(), train.y)
noisy.network_.train()
one_row = mlp.torch.from_numpy(noisy.standardiser_.transform(test.X.to_numpy()[:1]))
print([round(float(noisy.network_(one_row)) * noisy.y_scale_, 4) for _ in range(5)])

# %% [markdown]
# Second: a linear rule on the *same day's* mean change of all items, which nobody knows in advance. It shows how
# much the items of one day have in common, and so what validation rows from the training days would give away.

# %% nbgrader={"grade": false, "grade_id": "shared", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
day = train.dates.factorize()[0]
shared = np.bincount(day, train.y) / np.bincount(day)
print(f"correlation with the day's mean: {np.corrcoef(train.y, shared[day])[0, 1]:.2f}")

# %% [markdown]
# Choose one letter for each question.
#
# **dropout**: a colleague forgets `eval()` in `predict`. What happens?
# (a) nothing, dropout only acts in `backward`; (b) the same row gets a different forecast each time, and the error
# grows; (c) all forecasts become 0; (d) PyTorch raises an error.
#
# **tail**: why is the validation set the *last* rows and not a random tenth?
# (a) it is faster; (b) random rows would be too few; (c) Adam needs sorted rows; (d) rows of one day move together,
# so random validation rows share their days with training rows and promise too much.
#
# **forest**: the network and the forest come out close. What follows?
# (a) the network has a bug; (b) the forest overfits; (c) on ten tabular features a forest is a strong opponent,
# and a network must earn its cost elsewhere, as on sequences and text; (d) RMSE cannot tell models apart.

# %% nbgrader={"grade": false, "grade_id": "reading_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
answers = {"dropout": "b", "tail": "d", "forest": "c"}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "reading", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("reading")

# %% [markdown]
# ## Task 10: your own tests (4 points)
#
# Fill in `test_mlp.py`; add tests of your own if you like. Four rules decide what they earn:
#
# - all your tests pass on your `mlp.py`; one of ten that fails costs a tenth of the points;
# - they run more than 80 % of its branches; below that the points shrink in proportion;
# - they notice 80 % of the bugs that the grader plants in a correct `mlp.py`, one at a time. The bugs are slips
#   that tasks 1 to 6 warn of. The share that you notice caps the points: a test that calls everything and asserts
#   nothing runs every branch and notices little;
# - they accept other correct solutions. A test that turns one of them down makes all your tests worth 0, so test
#   what a docstring promises, never how your code keeps it. Names that start with an underscore, helpers of yours,
#   the exact words of a message or the third digit of a loss are no promises.
#
# Planted bugs and other solutions stay with the grader; `check` shows the first two rules. Keep the data small:
# the grader spends one minute of computing time on all the bugs together, and those it cannot reach do not count.
#
# *Hint*: every `if` has two branches. Which of your tests takes the second one? And for each slip that you nearly
# made yourself: which of your tests would have caught it?

# %% nbgrader={"grade": true, "grade_id": "own_tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("own_tests")

# %% [markdown]
# ## Task 11: documentation (1 point)
#
# Every public function and method needs a docstring in numpydoc style. Most are there; task 6 left two to you.

# %% nbgrader={"grade": true, "grade_id": "documentation", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("documentation")

# %% [markdown]
# ## Summary
#
# - A network needs what a forest does not: scaled inputs, a validation tail, a rule for when to stop.
# - `eval()`, copied weights and saved scaling constants are where PyTorch code goes wrong in silence.
# - The opponents decide what a score means. Persistence first, the forest second.
#
# ## Exercises
#
# 1. ★ Set `dropout=0`. If it works you should see the validation loss reach its best earlier; is the best better?
# 2. ★★ Train with three seeds. If it works you should see how much of the gap to the forest is luck.
# 3. ★★★ Replace the mean squared error by the Huber loss. If it works you should see a lower mean absolute error;
#    why may the RMSE rise?
#
# **Read on**: Srivastava et al., *Dropout* (JMLR 2014); Kingma and Ba, *Adam* (ICLR 2015); Prechelt, *Early
# stopping – but when?* (1998); Grinsztajn et al., *Why do tree-based models still outperform deep learning on
# tabular data?* (NeurIPS 2022).
