"""``handlib demo``: photographs and films in, posed 3D hands out: a mesh, an overlay and the numbers of each hand."""
