"""What a study gives: layers as readable sources, polygons on the grid, masks, landslides."""
