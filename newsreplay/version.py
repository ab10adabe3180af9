"""The version of this package, written into what it writes."""

__version__ = "0.1.0"
