"""What hidden checks share."""

import functools


@functools.cache
def secret_seed() -> int:
    """Return the seed of the hidden points."""
    return 20260731
