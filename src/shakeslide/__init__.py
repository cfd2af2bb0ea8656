"""Where an earthquake triggers landslides, cell by cell."""

from shakeslide._version import __version__

__all__ = ["__version__"]
