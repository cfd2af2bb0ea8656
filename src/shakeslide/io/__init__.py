"""Files in and out: rasters, vectors, ShakeMaps."""
