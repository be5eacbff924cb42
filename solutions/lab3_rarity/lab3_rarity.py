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
# # Lab 3: transfer learning on item names
#
# **You will** take a language model that has read a billion sentences, and make it tell an item's rarity from
# the title of a listing: prune it, fine-tune it, round it to 8 bits, and ask where the megabytes went.
#
# **You should know** lab 1 (training with early stopping, artefacts) and lecture 4 (transfer learning).
#
# **Time**: about 4 hours of work; the finished notebook runs in under 4 CPU minutes. A full training, which you
# may submit, takes up to twenty minutes more, in a terminal.
#
# **How it works.** You write code in two files beside this notebook, `rarity.py` and `test_rarity.py`, and in two
# cells below. Every place to fill in says `raise NotImplementedError`: replace that line. After each task, run
# its check cell. The checks are in `visible_checks.py`; read them whenever you like.
#
# In a terminal, `python course.py check lab3_rarity` runs all visible checks in the way the grader does.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import itemmarket as im
from itemmarket.evaluation.timing import milliseconds_alone
from itemmarket.titles.checkpoints import with_whole_vocabulary
from labkit import check

import rarity
from visible_checks import BUDGET, DISTILBERT_BASE, answers_of, budget_titles

# %% [markdown]
# ## Titles
#
# A rarity is never written in a title. Whoever wants it has to recognise the item, through abbreviations, typos,
# capitals and Russian. Look for the item in each of these.

# %% nbgrader={"grade": false, "grade_id": "data", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
train, test = budget_titles()
print(
    f"{len(train):,} training titles of {train['name'].nunique()} items, {len(test):,} unseen listings of them"
)
train.sample(8, random_state=2)[["title", "name", "rarity"]]

# %% [markdown]
# ## The opponents
#
# The regex of the helper package knows the whole catalogue, and reads nothing but exact names. TF-IDF with a
# logistic regression counts runs of characters, and trains in a second. It is a strong opponent.

# %% nbgrader={"grade": false, "grade_id": "opponents", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
answers_test = answers_of(test)
accuracy = {}
for name, opponent in {"regex": im.TitleRegex(), "TF-IDF": im.TitleTfidf()}.items():
    opponent.fit(train["title"].tolist(), answers_of(train).tolist())
    accuracy[name] = float(np.mean(np.asarray(opponent.predict(test["title"].tolist())) == answers_test))
{name: round(value, 3) for name, value in accuracy.items()}

# %% [markdown]
# ## The pretrained encoder
#
# MiniLM is a small BERT: six layers of width 384. Its files come with the course, as a Python package. Half of
# its numbers are the vocabulary.

# %% nbgrader={"grade": false, "grade_id": "encoder", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
checkpoint = im.load_checkpoint()
words = checkpoint.weights["embeddings.word_embeddings.weight"]
print(
    f"{checkpoint.n_parameters:,} numbers, {words.numel() / checkpoint.n_parameters:.0%} of them for {len(words):,} pieces"
)
im.make_tokeniser(checkpoint.vocabulary).tokenize("StatTrak™ Karambit | Doppler (FN)")

# %% [markdown]
# ## Task 1: only the words that occur (2 points)
#
# Titles use a tenth of that vocabulary. Fill in `prune` in `rarity.py`: pieces that occur keep their row, the rest goes.
# Two things go wrong in practice: rows that no longer belong to their piece, and new words that become `[UNK]`,
# because no letters are left to spell them with.
#
# *Hint*: go through the vocabulary in order and collect the ids to keep; index the embeddings with that list.

# %% nbgrader={"grade": true, "grade_id": "pruning", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("pruning")

# %% [markdown]
# How much is left? Pruning comes before training, because the optimiser keeps two more numbers for each one.

# %% nbgrader={"grade": false, "grade_id": "pruned", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
pruned = rarity.prune(checkpoint, train["title"].tolist(), max_length=48)
print(
    f"{len(pruned.vocabulary):,} pieces, {pruned.n_parameters / checkpoint.n_parameters:.0%} of the numbers"
)

# %% [markdown]
# ## Task 2: batches without much padding (2 points)
#
# A batch is as wide as its longest title. Fill in `length_batches` and `pad`: rows of similar length go
# together, in random order while training; the attention mask says what is padding.
#
# *Hint*: sort by length and a random number, cut into batches, shuffle the batches.

# %% nbgrader={"grade": true, "grade_id": "batches", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("batches")

# %% [markdown]
# The share of the computing that goes into padding, with and without. Which would you rather wait for?

# %% nbgrader={"grade": false, "grade_id": "padding", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
rows = im.make_tokeniser(pruned.vocabulary)(train["title"].tolist())["input_ids"]
lengths = [len(row) for row in rows]
by_length = rarity.length_batches(lengths, 32)
by_chance = [list(range(start, min(start + 32, len(rows)))) for start in range(0, len(rows), 32)]
for name, batches in {"by chance": by_chance, "by length": by_length}.items():
    computed = sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)
    print(f"{name}: {1 - sum(lengths) / computed:.0%} padding")

# %% [markdown]
# ## Task 3: clear errors for bad input (2 points)
#
# Fill in `check_titles`; the docstring says which words the messages must hold.
#
# *Hint*: test for emptiness first, then each title, then the lengths, then the labels.

# %% nbgrader={"grade": true, "grade_id": "validation", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("validation")

# %% [markdown]
# ## Task 4: fine-tuning (4 points)
#
# The loop in `fit` is lab 1's, and given: with a folder, it can be interrupted and taken up again. Its parts are
# yours: `class_weights`, `rate_factor`, `freeze`, `_split`, `_tokenise`, `_step`, `_is_over`, and the lines of `fit` that
# note the validation loss and keep the best weights.
#
# What is new since lab 1: pretrained weights are easily spoilt by large steps, so the learning rate rises
# slowly and falls again, and gradients are clipped (`torch.nn.utils.clip_grad_norm_`, to a norm of 1). Rare classes get
# more weight in the training loss; the validation loss weighs all titles the same.
#
# *Hint*: `state_dict()` returns references that the next step overwrites. Clone the tensors. You will need
# `_logits` (task 5) for the validation loss; the two tasks go hand in hand.

# %% nbgrader={"grade": true, "grade_id": "training", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("training")

# %% [markdown]
# ## Task 5: predicting (2 points)
#
# Fill in `_logits`, `predict_proba` and `predict`. Batches of similar length save time, but every answer must come back
# to its own title, and it must not depend on who else is in the batch.
#
# *Hint*: `eval()`, the attention mask, `torch.inference_mode()`; write each batch's numbers to its rows' positions. And
# `check_is_fitted(self, "network_")` raises `NotFittedError` where there is no network yet.

# %% nbgrader={"grade": true, "grade_id": "prediction", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("prediction")

# %% [markdown]
# ## Task 6: eight bits (2 points)
#
# A number of 32 bits is more than a weight needs. Fill in `quantise` and `dequantise`, then `compress`: every matrix, the
# embeddings too, becomes whole numbers from -127 to 127 and one scale per row. Biases are few and stay.
#
# *Hint*: `weight.abs().amax(dim=1) / 127`. Compress a deep copy.

# %% nbgrader={"grade": true, "grade_id": "compression", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("compression")

# %% [markdown]
# ## Task 7: save and load (2 points)
#
# Fill in `save` and `load` with `im.save_artefact` and `im.load_artefact`, and write their docstrings in numpydoc style:
# parameters (`path`, and `metrics` for the manifest), what `load` returns, and what they raise. Compressed matrices are
# written as int8, their scales beside them. `load` must not need the checkpoint.
#
# *Hint*: what else but the weights must be there to read a title: the vocabulary, whether case counts, `max_length`?

# %% nbgrader={"grade": true, "grade_id": "artefact", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("artefact")

# %% [markdown]
# ## Task 8: a minute of fine-tuning (3 points)
#
# The grader trains your classifier on these titles, with two of MiniLM's layers, in less than a minute on one core, and asks
# it for new listings of the same items. Its accuracy must be at least **93 %** and its macro-F1 at
# least **90 %**. Full marks start 3 % below either figure, so luck with a seed costs you nothing.

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
model = rarity.RarityClassifier(**BUDGET).fit(train["title"].tolist(), answers_of(train).tolist())
accuracy["a minute of MiniLM"] = float(
    np.mean(np.array(model.predict(test["title"].tolist())) == answers_test)
)
{name: round(value, 3) for name, value in accuracy.items()}

# %% nbgrader={"grade": true, "grade_id": "budget", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("budget")

# %% [markdown]
# With this little data and time, who wins? And at what cost per title?
#
# ## Task 9: the artefact (3 points)
#
# More than 95 % takes all titles, all epochs and up to twenty minutes on two cores. In a terminal:
#
#     python course.py train rarity --out labs/lab3_rarity/artefact
#
# trains the `RarityClassifier` of your `rarity.py`, can be interrupted and started again, and writes an artefact. Hand in
# the folder `artefact/` beside the notebook. It is loaded with your `load`, must be smaller than 100 MB, answer
# for one title within 50 ms, and be right for at least 95 % of unseen listings of 1 600 items, in accuracy and in
# macro-F1. Full marks start 3 % below.
#
# Without an artefact, the model that the grader trains in task 8 stands in for it, compressed: it can earn 1 of the 3
# points.

# %% nbgrader={"grade": true, "grade_id": "product", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("product")

# %% [markdown]
# ## Three steps to a small model
#
# What each step is worth, measured here: the whole vocabulary in 32 bits, the pruned one, and 8 bits. The layers are
# those of task 8 each time.


# %% nbgrader={"grade": false, "grade_id": "steps", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
def measured(form: rarity.RarityClassifier) -> dict[str, float]:
    """Return an artefact's megabytes and milliseconds, and its accuracy on the test titles."""
    with tempfile.TemporaryDirectory() as folder:
        form.save(folder)
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    right = np.mean(np.array(form.predict(test["title"].tolist())) == answers_test)
    milliseconds = milliseconds_alone(form, test["title"].tolist()[:30])
    return {"MB": size, "ms": milliseconds, "accuracy": float(right)}


# %% [markdown]
# 8 bits quarter the size and cost next to no accuracy. What pruning leaves out occurs in no training title; where a new
# title has it, shorter pieces stand in. The time stays: we *store* 8 bits and compute with 32. Computing with 8 takes
# another runtime; `bench rarity` measures torchao and ONNX Runtime beside this.

# %% nbgrader={"grade": false, "grade_id": "three", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
forms = {"whole vocabulary": with_whole_vocabulary(model), "pruned": model, "8 bits": model.compress()}
pd.DataFrame({name: measured(form) for name, form in forms.items()}).T.round(3)

# %% [markdown]
# ## Task 10: where the megabytes are (1 point)
#
# DistilBERT-base is three times as large. Write `parameters(config)`: how many numbers its `"embeddings"` (words,
# positions, one LayerNorm) and its `"layers"` have learned. A layer has four square matrices of attention, two of the
# feed-forward part (`dim` to `hidden_dim` and back), a bias for each, and two LayerNorms. A LayerNorm has two numbers per
# dimension. Nothing needs to be downloaded: the configuration is enough.


# %% nbgrader={"grade": false, "grade_id": "parameters_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
def parameters(config: dict[str, int]) -> dict[str, int]:
    """Return how many numbers the embeddings and the layers of a DistilBERT have learned."""
    ### BEGIN SOLUTION
    dim, hidden = config["dim"], config["hidden_dim"]
    embeddings = (config["vocab_size"] + config["max_position_embeddings"] + 2) * dim
    attention = 4 * (dim * dim + dim)
    feed_forward = dim * hidden + hidden + hidden * dim + dim
    return {"embeddings": embeddings, "layers": config["n_layers"] * (attention + feed_forward + 4 * dim)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sizes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("sizes")

# %% [markdown]
# In megabytes: 32 bits throughout; 8 bits for the layers alone, as the usual recipe of quantising linear layers does;
# and 8 bits for all.

# %% nbgrader={"grade": false, "grade_id": "base", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
base = parameters(DISTILBERT_BASE)
megabytes = {"32 bits": 4 * sum(base.values()), "8-bit layers": 4 * base["embeddings"] + base["layers"]}
megabytes["8 bits"] = sum(base.values())
{name: round(size / 1e6) for name, size in megabytes.items()}

# %% [markdown]
# ## Task 11: reading the results (2 points)
#
# One more experiment: *unseen items*. TF-IDF is trained on the listings of some items and asked for others, of one
# kind each. What can be known about a sticker from its title, and what about the finish of a weapon?

# %% nbgrader={"grade": false, "grade_id": "unseen", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["explore"]
titles = im.rarity_titles(8000, seed=3)
known, new = im.split_titles(titles, by="item", seed=3)
tfidf = im.TitleTfidf().fit(known["title"].tolist(), answers_of(known).tolist())
right = pd.Series(np.asarray(tfidf.predict(new["title"].tolist())) == answers_of(new))
right.groupby(new["kind"].astype("str")).mean()[["sticker", "skin"]].round(2).to_dict()

# %% [markdown]
# Choose one letter for each question.
#
# **size**: why does quantising only the linear layers of DistilBERT-base miss a limit of 100 MB?
# (a) 8 bits are too many; (b) the embeddings stay in 32 bits, and they alone take about 95 MB; (c) the biases stay in
# 32 bits; (d) safetensors do not compress.
#
# **opponent**: TF-IDF comes close to the network, or beats it, on unseen listings of known items. What follows?
# (a) the network has a bug; (b) accuracy cannot tell models apart; (c) recognising known names takes little more
# than counting characters, and a network must earn its cost elsewhere; (d) TF-IDF has seen the test titles.
#
# **unseen**: no model is good at the finishes of weapons it has never seen. Why?
# (a) too few epochs; (b) finishes are too short to tokenise; (c) the classes are unbalanced; (d) which finish is
# rare was decided by the game's makers: the words do not say it, so it must be known, not inferred.

# %% nbgrader={"grade": false, "grade_id": "reading_code", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
answers = {"size": "b", "opponent": "c", "unseen": "d"}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "reading", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("reading")

# %% [markdown]
# ## Task 12: your own tests (4 points)
#
# Fill in `test_rarity.py`; add tests of your own if you like. Four rules decide what they earn:
#
# - all your tests pass on your `rarity.py`; one of ten that fails costs a tenth of the points;
# - they run more than 80 % of its branches; below that the points shrink in proportion;
# - they notice 80 % of the bugs that the grader plants in a correct `rarity.py`, one at a time. The bugs are slips
#   that tasks 1 to 7 warn of. The share that you notice caps the points;
# - they accept other correct solutions. A test that turns one of them down makes all your tests worth 0, so test
#   what a docstring promises, never how your code keeps it. Names that start with an underscore, helpers of
#   yours, the exact words of a message or the third digit of a loss are no promises.
#
# Use the fixture `tiny`: with MiniLM your tests would take minutes, and the grader spends one minute of computing
# time on all the bugs together; those it cannot reach do not count.
#
# *Hint*: for each slip that you nearly made yourself: which of your tests would have caught it?

# %% nbgrader={"grade": true, "grade_id": "own_tests", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("own_tests")

# %% [markdown]
# ## Task 13: documentation (1 point)
#
# Every public function and method needs a docstring in numpydoc style. Most are there; task 7 left two to you.

# %% nbgrader={"grade": true, "grade_id": "documentation", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check("documentation")

# %% [markdown]
# ## Summary
#
# - A pretrained network brings words. Whether they help is an experiment: train from random weights, too (lecture 4).
# - Prune what the task never says before you train.
# - Padding, the order of batches, `eval()` and the mask are where code for text goes wrong in silence.
# - Embeddings are matrices, too: a small model is one whose *largest* part was made small.
# - The cheap opponent decides what a network is worth. On known names it is hard to beat.
#
# ## Exercises
#
# 1. ★ Train with `n_layers=1`. If it works you should see the time fall. What does it cost in accuracy?
# 2. ★★ Set `frozen=1`: the embeddings stay as they were pretrained. If it works you should see fewer numbers learn. Guess
#    first what happens to the accuracy, and repeat it with another seed before you believe it.
# 3. ★★ Train on `spelling="english"` and test on `"russian"`. If it works you should see what transfer does not bring.
# 4. ★★★ Round to 4 bits (-7 to 7). If it works you should see half the size; which matrices suffer first?
#
# **Read on**: Devlin et al., *BERT* (NAACL 2019); Sanh et al., *DistilBERT* (2019); Wang et al., *MiniLM* (NeurIPS
# 2020); Howard and Ruder, *Universal language model fine-tuning* (ACL 2018); Jacob et al., *Quantization and training of
# neural networks for efficient integer-arithmetic-only inference* (CVPR 2018).
