"""What this chapter's finished runs say, for its page; what there is to do with them is as in the other chapters."""

from handlib.experiments.s2hand.stored import mean_and_spread, mean_of, values_of
from handlib.experiments.tassn.recipes import CHAPTER
from handlib.experiments.training_by_fitting.looks import mean_curves
from handlib.reproduce.places import results_folder
from handlib.reproduce.results import Result, load_results

__all__ = ["mean_and_spread", "mean_curves", "mean_of", "stored_runs", "values_of"]


def stored_runs(profile: str = "full") -> list[Result]:
    """The chapter's stored results of a profile that gave numbers.

    Raises:
        BadInputError: a stored file is damaged.
    """
    found = load_results(results_folder(), CHAPTER)
    return [result for result in found if result.profile == profile and result.outcome.not_obtained is None]
