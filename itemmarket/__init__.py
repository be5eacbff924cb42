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
    "load_catalogue": "catalogue",
    "RARITIES": "catalogue",
    "RARITY_CLASSES": "catalogue",
    "market_names": "catalogue",
    "rarity_of": "catalogue",
    "CLASSES": "catalogue",
    "rarity_titles": "titles",
    "split_titles": "titles",
    "title_items": "titles",
    "TitleRegex": "title_models",
    "TitleTfidf": "title_models",
    "TitleProbe": "title_models",
    "embed_titles": "embeddings",
    "parse_name": "names",
    "parse_names": "names",
    "WEARS": "names",
    "ParsedName": "names",
    "load_prices": "prices",
    "validate_prices": "prices",
    "market_index": "index",
    "simulate_market": "simulator",
    "stylised_facts": "stylised",
    "price_windows": "windows",
    "Windows": "windows",
    "FeatureExtractor": "features",
    "supervised": "regression",
    "Supervised": "regression",
    "temporal_split": "splits",
    "TemporalSplit": "splits",
    "split_by_item": "splits",
    "spaced_rows": "splits",
    "rmse": "metrics",
    "mae": "metrics",
    "r2": "metrics",
    "skill": "metrics",
    "rmse_ratio": "metrics",
    "evaluate": "metrics",
    "compare": "metrics",
    "Persistence": "baselines",
    "MovingAverage": "baselines",
    "RidgeLags": "baselines",
    "WindowForest": "baselines",
    "show": "plots",
    "save_artefact": "artefacts",
    "load_artefact": "artefacts",
    "Checkpoint": "checkpoints",
    "SPECIALS": "checkpoints",
    "load_checkpoint": "checkpoints",
    "make_classifier": "checkpoints",
    "make_tokeniser": "checkpoints",
    "write_tiny_checkpoint": "checkpoints",
    "Training": "resume",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Import the module that defines ``name`` the first time somebody asks for it."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    """Names for tab completion."""
    return __all__
