"""Where an earthquake triggers landslides, cell by cell."""

import os

# Before PROJ is first used. A GeoTIFF in other units than metres has libgeotiff ask PROJ for their
# names, without its database; what PROJ then prints on stderr changes nothing and misleads.
os.environ.setdefault("PROJ_DEBUG", "0")

from shakeslide._version import __version__

__all__ = ["__version__"]
