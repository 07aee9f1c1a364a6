"""What this chapter's finished runs say, for its page; what there is to do with them is as in the other chapters."""

from functools import partial

from handlib.experiments.stored import chapter_runs, mean_and_spread, mean_curves, mean_of, values_by_seed, values_of
from handlib.experiments.tassn.recipes import CHAPTER

__all__ = ["mean_and_spread", "mean_curves", "mean_of", "stored_runs", "values_by_seed", "values_of"]

stored_runs = partial(chapter_runs, CHAPTER)
"""The chapter's stored results, of the profile ``full`` unless told."""
