"""Figures and pages: one HTML file per run, with every picture inside it.

Public names are imported on first use, so that a run without a page does not load matplotlib.
"""

import importlib

_HOMES = {
    "Page": "page",
    "AuditPage": "audited",
    "CleanPage": "cleaned",
    "ExplainPage": "explained",
    "FitPage": "fitted",
    "PaintPage": "painted",
    "example": "examples",
    "write_example": "examples",
    "draw_assessment": "assessment",
    "draw_inversion": "inversion",
    "network_view": "view",
    "View": "view",
    "latent_map": "latent",
    "plot_latent": "latent",
    "plot_latent_images": "latent",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
