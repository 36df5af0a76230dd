"""Maps: what a network has learned, laid out in the plane."""
