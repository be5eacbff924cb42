"""The opponents of lab 3's network: they tell an item's rarity class from the title of a listing.

All keep scikit-learn's contract with titles for rows: ``fit(titles, labels)``, ``predict(titles)``,
``predict_proba(titles)``, ``score``; labels are the four classes of `itemmarket.RARITY_CLASSES`.
"""

from collections.abc import Iterable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from itemmarket.market.catalogue import RARITIES, RARITY_CLASSES, rarity_of
from itemmarket.titles.embeddings import embed_titles

_CLASS_BY_RANK = np.array(["", *(RARITY_CLASSES[tier] for tier in RARITIES)], dtype=object)


class TitleRegex(ClassifierMixin, BaseEstimator):
    """Parses the title as the market's exact grammar and looks the item up in the catalogue.

    It knows the rarity of *every* item, of those that a test holds out too, and the grammar of `itemmarket.parse_name`,
    which allows for capitals of wear and a missing ™ or ★ and for nothing else. So it is always right about what it can
    read, and where it cannot read it answers the training labels' most frequent class: all that `fit` learns.
    """

    def fit(self, titles: Iterable[str], labels: Iterable[str]) -> "TitleRegex":
        """Remember the classes and how frequent they are.

        Parameters
        ----------
        titles : iterable of str, length n
            Not looked at.
        labels : iterable of str, length n
            Their classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are no titles, or not as many labels.
        """
        _, labels = _checked(titles, labels)
        self.classes_, counts = np.unique(labels, return_counts=True)
        self.frequency_ = counts / counts.sum()
        return self

    def predict(self, titles: Iterable[str]) -> np.ndarray:
        """Return the classes, shape (n,)."""
        check_is_fitted(self, "classes_")
        ranks = _ranks(titles)
        return np.where(ranks > 0, _CLASS_BY_RANK[ranks], self.classes_[self.frequency_.argmax()]).astype(
            object
        )

    def predict_proba(self, titles: Iterable[str]) -> np.ndarray:
        """Return shape (n, classes): certainty about what is read, the training frequencies elsewhere."""
        check_is_fitted(self, "classes_")
        ranks = _ranks(titles)
        certain = _CLASS_BY_RANK[ranks][:, None] == self.classes_
        return np.where(ranks[:, None] > 0, certain, self.frequency_)


class TitleTfidf(ClassifierMixin, BaseEstimator):
    """Logistic regression on the TF-IDF weights of a title's pieces of two to five characters.

    Parameters
    ----------
    ngrams : tuple of int, default (2, 5)
        Shortest and longest piece.
    C : float, default 30.0
        Inverse strength of the ridge penalty.
    min_df : int, default 2
        Titles in which a piece must occur.
    """

    def __init__(self, ngrams: tuple[int, int] = (2, 5), C: float = 30.0, min_df: int = 2):
        self.ngrams = ngrams
        self.C = C
        self.min_df = min_df

    def fit(self, titles: Iterable[str], labels: Iterable[str]) -> "TitleTfidf":
        """Learn from titles and their classes.

        Parameters
        ----------
        titles, labels : iterable of str, length n
            At least two classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are no titles, not as many labels, or a single class.
        """
        titles, labels = _checked(titles, labels)
        self.model_: Pipeline = make_pipeline(
            TfidfVectorizer(
                analyzer="char",
                ngram_range=tuple(self.ngrams),
                min_df=min(self.min_df, len(titles)),
                sublinear_tf=True,
                dtype=np.float32,
            ),
            LogisticRegression(C=self.C, max_iter=1000),
        ).fit(titles, labels)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, titles: Iterable[str]) -> np.ndarray:
        """Return the classes, shape (n,)."""
        check_is_fitted(self, "model_")
        return self.model_.predict(_titles(titles))

    def predict_proba(self, titles: Iterable[str]) -> np.ndarray:
        """Return the probability of each of ``classes_``, shape (n, classes)."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(_titles(titles))


class TitleProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on a pretrained encoder's embeddings; the encoder learns nothing (a *linear probe*).

    Parameters
    ----------
    checkpoint : str or path-like, default "minilm"
        The encoder, see `itemmarket.load_checkpoint`.
    C : float, default 100.0
        Inverse strength of the ridge penalty.
    """

    def __init__(self, checkpoint: str = "minilm", C: float = 100.0):
        self.checkpoint = checkpoint
        self.C = C

    def fit(self, titles: Iterable[str], labels: Iterable[str]) -> "TitleProbe":
        """Embed the titles and learn from them and their classes.

        Parameters
        ----------
        titles, labels : iterable of str, length n
            At least two classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are no titles, not as many labels, or a single class.
        ArtefactError
            If the checkpoint cannot be read.
        """
        titles, labels = _checked(titles, labels)
        embedded = embed_titles(titles, self.checkpoint)
        self.model_ = LogisticRegression(C=self.C, max_iter=1000).fit(embedded, labels)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, titles: Iterable[str]) -> np.ndarray:
        """Return the classes, shape (n,)."""
        return self.classes_[self.predict_proba(titles).argmax(axis=1)]

    def predict_proba(self, titles: Iterable[str]) -> np.ndarray:
        """Return the probability of each of ``classes_``, shape (n, classes)."""
        check_is_fitted(self, "model_")
        return self.model_.predict_proba(embed_titles(_titles(titles), self.checkpoint))


def _ranks(titles: Iterable[str]) -> np.ndarray:
    """Return the rank of the tier of each title, 0 where it cannot be read: a blank one never can."""
    return rarity_of(title if title.strip() else "?" for title in _titles(titles))


def _titles(titles: Iterable[str]) -> list[str]:
    """Return titles as a list after checking that they are some."""
    if isinstance(titles, str):
        raise ValueError(f"titles are a list of texts, not one text: [{titles!r}]")
    titles = list(titles)
    wrong = [title for title in titles if not isinstance(title, str)]
    if wrong:
        raise ValueError(f"a title is text, not {wrong[0]!r}")
    return titles


def _checked(titles: Iterable[str], labels: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Return titles and labels after checking that they belong together."""
    titles, labels = _titles(titles), np.array(list(labels), dtype=object)
    if not titles or len(titles) != len(labels):
        raise ValueError(
            f"{len(titles)} titles and {len(labels)} labels: give one label to each of at least one"
        )
    return titles, labels
