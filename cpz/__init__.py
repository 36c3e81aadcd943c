"""cpz: simulation and offline evaluation of checkout personalization."""

__version__ = "0.1.0"
