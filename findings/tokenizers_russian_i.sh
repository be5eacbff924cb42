#!/usr/bin/env bash
# The normaliser of uncased BERT models makes different Russian words equal: lower-casing also takes the breve off the
# letter "short i". Accents are stripped whenever letters are lower-cased, and decomposed the letter is an "i" with one.
# Expected: lower-casing changes case. It matters to a classifier that reads Russian item names.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check tokenizers==0.23.3
env/bin/python - << 'PYTHON'
from importlib.metadata import version

from tokenizers.normalizers import BertNormalizer

normaliser = BertNormalizer(lowercase=True)
pairs = [("\u043c\u043e\u0439", "\u043c\u043e\u0438"), ("\u0432\u0441\u0451", "\u0432\u0441\u0435")]
print(f"tokenizers {version('tokenizers')}, BertNormalizer(lowercase=True)")
meanings = [("my (one)", "my (many)"), ("everything", "everybody")]
for words, meaning in zip(pairs, meanings):
    results = [normaliser.normalize_str(word) for word in words]
    print(f"seen: {words[0]} ({meaning[0]}) and {words[1]} ({meaning[1]}) both become {results[0]}")
    assert results[0] == results[1] == words[1], "changed"
kept = BertNormalizer(lowercase=True, strip_accents=False)
assert all(kept.normalize_str(word) == word for pair in pairs for word in pair), "changed"
print("seen: with strip_accents=False all four words stay as they are")
PYTHON
