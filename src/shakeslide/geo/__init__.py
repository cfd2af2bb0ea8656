"""Where things are on the ground: the grid and how true a projection is there."""
