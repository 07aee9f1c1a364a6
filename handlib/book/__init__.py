"""The book machine: stages prose, executed notebooks and generated pages, and builds the HTML from them."""
