"""The errors that this package raises on purpose, each with what was wrong, where, and what to do."""


class MarketDataError(ValueError):
    """A market table, archive or catalogue that does not keep its schema."""


class ArtefactError(ValueError):
    """A saved model that is incomplete, altered, or of another format or class."""
