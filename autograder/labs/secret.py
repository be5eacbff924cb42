"""The instructor's secret, from which hidden markets are simulated; it never enters the repository."""

import hashlib
import os
from pathlib import Path

VARIABLE = "COURSE_GRADING_SECRET"
FILE_VARIABLE = "COURSE_GRADING_SECRET_FILE"
EXAMPLE = "the example class is graded in public"


def grading_secret() -> str:
    """Return the secret: of the environment variable, of the file that another one names, or the example's.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if secret := os.environ.get(VARIABLE):
        return secret
    if path := os.environ.get(FILE_VARIABLE):
        return Path(path).read_text(encoding="utf-8").strip()
    return EXAMPLE


def hidden_seed(lab: str) -> int:
    """Return the seed of a lab's hidden data, 32 bits, another one for each secret and lab."""
    digest = hashlib.sha256(f"{grading_secret()}\0{lab}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def fingerprint(lab: str) -> str:
    """Return a digest that tells two secrets apart; it is slow to make, so that it is slow to guess from."""
    key = hashlib.pbkdf2_hmac("sha256", grading_secret().encode(), f"fingerprint\0{lab}".encode(), 200_000)
    return key.hex()
