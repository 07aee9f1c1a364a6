"""Recipes: what is run for each row of a table, as frozen dataclasses."""
