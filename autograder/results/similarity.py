"""Finds submissions that share code beyond what the lab hands out: identical ones, and similar ones by winnowing.

Documents are module, tests and the notebook's answers. Each is tokenised by copydetect (names, strings, comments
and layout count for nothing), cut into fingerprints by winnowing [1]_, and compared through one sparse matrix of
who has which fingerprint; so a class is read once and never held in memory. What the released lab holds does not
count, nor what so many hand in that the task itself must suggest it.

A group says which code is alike. It does not say why: working together may be allowed, and a short answer has
few forms.

.. [1] Schleimer, Wilkerson and Aiken, "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003.
"""

import ast
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import csgraph

from autograder.intake.submission import Submission
from autograder.labs.definition import Lab
from autograder.labs.markers import stub, stub_module

GRAM, WINDOW = 25, 6  # characters of tokenised code: copydetect's defaults, matches of 30 are never missed
SIMILAR = 0.8  # of the smaller submission's fingerprints
FEWEST = 30  # fingerprints: below that, agreement is no surprise
COMMON = (10, 1 / 3)  # what more submissions and more of the class have is how the task is done
MAX_CHARS = 200_000  # of a document: a lab's has about 10,000
_BASE = np.uint64(1_000_003)


@dataclass(frozen=True)
class Group:
    """Submissions that are alike: each has a neighbour in the group.

    Attributes
    ----------
    students : tuple of str
        Who is in it, sorted.
    shares : dict of (str, str) to float
        The share of the smaller submission's fingerprints (0 to 1) for each pair that is alike.
    facts : dict of str to str
        For each student, what was found, in words for the instructor.
    identical : frozenset of str
        Students whose whole code is also somebody else's.
    """

    students: tuple[str, ...]
    shares: Mapping[tuple[str, str], float]
    facts: Mapping[str, str]
    identical: frozenset[str]

    @property
    def highest(self) -> float:
        """The largest share of a pair, 0 to 1."""
        return max(self.shares.values())


def find_groups(lab: Lab, submissions: Iterable[Submission], threshold: float = SIMILAR) -> list[Group]:
    """Find groups of submissions that are alike.

    Parameters
    ----------
    lab : Lab
        The lab's source; what it releases to students is left out of the comparison.
    submissions : iterable of Submission
        Read once; only fingerprints are kept.
    threshold : float
        The share of the smaller submission's fingerprints from which on two are called similar.

    Returns
    -------
    list of Group
        The largest first, then by name: the same class gives the same groups in any order.
    """
    template = {name: set(_grams(text)) for name, text in _released(lab).items()}
    names: list[str] = []
    prints: list[dict[str, np.ndarray]] = []
    digests: list[dict[str, str]] = []
    for submission in sorted(submissions, key=lambda one: one.student):
        documents = _documents(lab, submission)
        names.append(submission.student)
        prints.append({name: _fingerprints(text, template[name]) for name, text in documents.items()})
        digests.append({name: _digest(text) for name, text in documents.items() if len(prints[-1][name])})
    kinds = list(template)
    matrices = {kind: _matrix([found.get(kind, ()) for found in prints]) for kind in kinds}
    whole = sparse.hstack([_rare(matrix) for matrix in matrices.values()], format="csr")
    pairs = _alike(whole, threshold)
    for one, other in _identical(digests):
        pairs[one, other] = 1.0
    return [
        _group([names[i] for i in members], members, pairs, matrices, digests)
        for members in _components(len(names), pairs)
    ]


def _documents(lab: Lab, submission: Submission) -> dict[str, str]:
    """Return what is compared, by file name; of the notebook the code that the student could write."""
    documents = {}
    for name in lab.files.python:
        if name in submission.own:
            text = submission.own[name].read_text(encoding="utf-8", errors="replace")
            documents[name] = text[:MAX_CHARS]
    cells = [*submission.arrangement.answers.values(), *submission.arrangement.added.values()]
    documents[lab.files.notebook] = "\n\n".join(source for sources in cells for source in sources)[:MAX_CHARS]
    return documents


def _released(lab: Lab) -> dict[str, str]:
    """Return the template that students start from, by file name."""
    texts = {name: (lab.folder / name).read_text(encoding="utf-8") for name in lab.files.python}
    code = [cell.source for cell in lab.notebook.cells if cell.cell_type == "code"]
    released = {name: text if lab.released else stub_module(text) for name, text in texts.items()}
    return released | {lab.files.notebook: "\n\n".join(map(stub, code))}


def _grams(text: str) -> np.ndarray:
    """Return a hash of every run of ``GRAM`` characters of the tokenised code, the same in every process."""
    from copydetect.utils import filter_code  # draws in matplotlib: only where it is used

    tokens = np.frombuffer(filter_code(text, "", "python")[0].encode("utf-32-le"), dtype=np.uint32)
    if len(tokens) < GRAM:
        return np.empty(0, dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64
        powers = np.cumprod(np.full(GRAM, _BASE, dtype=np.uint64))
        windows = np.lib.stride_tricks.sliding_window_view(tokens.astype(np.uint64), GRAM)
        mixed = (windows * powers).sum(axis=1, dtype=np.uint64)
        return mixed * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(12)  # 52 bits: exact in winnow's floats


def _fingerprints(text: str, template: set[int]) -> np.ndarray:
    """Return the winnowed hashes of a document, without those of the template."""
    from copydetect.utils import winnow

    grams = _grams(text)
    if len(grams) < WINDOW:
        return grams[:0]
    chosen = winnow(grams, WINDOW)[0]
    return np.array([gram for gram in chosen.tolist() if gram not in template], dtype=np.uint64)


def _digest(text: str) -> str:
    """Return a digest of a document that comments and layout do not change."""
    try:
        text = ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = " ".join(text.split())
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _matrix(prints: Sequence[ArrayLike]) -> sparse.csr_array:
    """Return who (row) has which fingerprint (column) as ones in a sparse matrix."""
    lengths = [np.size(found) for found in prints]
    flat = np.concatenate([np.empty(0, np.uint64), *(np.asarray(found, np.uint64) for found in prints)])
    values, columns = np.unique(flat, return_inverse=True)
    rows = np.repeat(np.arange(len(prints)), lengths)
    ones = np.ones(len(rows), dtype=np.int32)
    return sparse.csr_array((ones, (rows, columns)), shape=(len(prints), len(values)))


def _rare(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return the matrix without fingerprints that most of the class has."""
    at_most = max(COMMON[0], COMMON[1] * matrix.shape[0])
    return matrix[:, np.asarray(matrix.sum(axis=0)).ravel() <= at_most]


def _alike(matrix: sparse.csr_array, threshold: float) -> dict[tuple[int, int], float]:
    """Return the share of each pair of rows that reaches the threshold."""
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    common = sparse.triu(matrix @ matrix.T, k=1, format="coo")
    smaller = np.minimum(sizes[common.row], sizes[common.col])
    shares = common.data / np.maximum(smaller, 1)
    kept = (shares >= threshold) & (smaller >= FEWEST)
    found = zip(common.row[kept].tolist(), common.col[kept].tolist(), shares[kept].tolist(), strict=True)
    return {(one, other): share for one, other, share in found}


def _identical(digests: Sequence[dict[str, str]]) -> list[tuple[int, int]]:
    """Return pairs of rows whose documents are all the same; neighbours only, which is enough to group them."""
    last: dict[tuple[tuple[str, str], ...], int] = {}
    pairs = []
    for row, found in enumerate(digests):
        key = tuple(sorted(found.items()))
        if key and key in last:
            pairs.append((last[key], row))
        last[key] = row
    return pairs


def _components(n: int, pairs: Mapping[tuple[int, int], float]) -> list[list[int]]:
    """Return the connected components with two members and more, the largest first."""
    edges = np.array(list(pairs), dtype=int).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    labels = csgraph.connected_components(graph, directed=False)[1] if n else np.empty(0, dtype=int)
    members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return sorted((group for group in members if len(group) > 1), key=lambda group: (-len(group), group))


def _group(
    names: Sequence[str],
    members: Sequence[int],
    pairs: Mapping[tuple[int, int], float],
    matrices: Mapping[str, sparse.csr_array],
    digests: Sequence[dict[str, str]],
) -> Group:
    """Put what was found about a component into words."""
    name_of = dict(zip(members, names, strict=True))
    inside = {pair: share for pair, share in pairs.items() if pair[0] in name_of}
    facts, identical = {}, set()
    for row in members:
        others = {a + b - row: share for (a, b), share in inside.items() if row in (a, b)}
        nearest = min(others, key=lambda other: (digests[other] != digests[row], -others[other], other))
        whole = digests[row] == digests[nearest]
        if whole:
            identical.add(name_of[row])
        details = [_same(kind, row, nearest, matrices[kind], digests) for kind in matrices]
        share = "All" if whole else _percent(others[nearest])
        facts[name_of[row]] = (
            f"{share} of the code, template aside, is also in {name_of[nearest]}'s submission: "
            + ", ".join(filter(None, details))
        )
    shares = {(name_of[a], name_of[b]): share for (a, b), share in sorted(inside.items())}
    return Group(tuple(names), shares, facts, frozenset(identical))


def _same(
    kind: str, row: int, other: int, matrix: sparse.csr_array, digests: Sequence[dict[str, str]]
) -> str:
    """Say how much of one file two submissions share; "identical" leaves comments and layout aside."""
    mine, theirs = matrix[[row]], matrix[[other]]
    smaller = min(mine.nnz, theirs.nnz)
    if not smaller:
        return ""
    if digests[row].get(kind) == digests[other].get(kind):
        return f"{kind} identical"
    return f"{kind} {_percent(mine.multiply(theirs).nnz / smaller)}"


def _percent(share: float) -> str:
    """Return a share in per cent, rounded down: 100 % is all of it."""
    return f"{math.floor(100 * share + 1e-9)} %"
