"""The market for game items and the vocabulary of forecasting it.

Everything a notebook needs is one import away (``import itemmarket as im``). Names are resolved
on first use (PEP 562), so that importing the package costs milliseconds and pulls in no torch.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "data_dir": "paths",
    "MarketDataError": "errors",
    "ArtefactError": "errors",
    "load_catalogue": "market.catalogue",
    "RARITIES": "market.catalogue",
    "RARITY_CLASSES": "market.catalogue",
    "market_names": "market.catalogue",
    "rarity_of": "market.catalogue",
    "CLASSES": "market.catalogue",
    "rarity_titles": "titles.listings",
    "split_titles": "titles.split",
    "title_items": "titles.listings",
    "TitleRegex": "titles.baselines",
    "TitleTfidf": "titles.baselines",
    "TitleProbe": "titles.baselines",
    "embed_titles": "titles.embeddings",
    "parse_name": "market.names",
    "parse_names": "market.names",
    "WEARS": "market.names",
    "ParsedName": "market.names",
    "load_prices": "market.prices",
    "validate_prices": "market.prices",
    "market_index": "market.index",
    "simulate_market": "simulation.simulator",
    "stylised_facts": "simulation.stylised",
    "price_windows": "datasets.windows",
    "Windows": "datasets.windows",
    "FeatureExtractor": "features.extractor",
    "supervised": "datasets.supervised",
    "Supervised": "datasets.supervised",
    "temporal_split": "datasets.splits",
    "TemporalSplit": "datasets.splits",
    "split_by_item": "datasets.splits",
    "spaced_rows": "datasets.splits",
    "rmse": "evaluation.metrics",
    "mae": "evaluation.metrics",
    "r2": "evaluation.metrics",
    "skill": "evaluation.metrics",
    "rmse_ratio": "evaluation.metrics",
    "evaluate": "evaluation.metrics",
    "compare": "evaluation.metrics",
    "Persistence": "models.baselines",
    "MovingAverage": "models.baselines",
    "RidgeLags": "models.baselines",
    "WindowForest": "models.baselines",
    "show": "evaluation.plots",
    "save_artefact": "models.artefacts",
    "load_artefact": "models.artefacts",
    "Checkpoint": "titles.checkpoints",
    "load_checkpoint": "titles.checkpoints",
    "make_classifier": "titles.checkpoints",
    "make_tokeniser": "titles.checkpoints",
}
# Names that were here once: work that was written then finds them, and nobody is shown them.
_FORMER = {
    "SPECIALS": "titles.checkpoints",
    "Training": "models.training_state",
    "write_tiny_checkpoint": "titles.checkpoints",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Import the module that defines ``name`` the first time somebody asks for it."""
    if (room := _WHERE.get(name) or _FORMER.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{room}"), name)


def __dir__() -> list[str]:
    """Names for tab completion."""
    return __all__
