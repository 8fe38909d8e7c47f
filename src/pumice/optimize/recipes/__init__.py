"""Recipes: which passes make a candidate, written in YAML."""

from pumice.optimize.recipes.building import Built, build
from pumice.optimize.recipes.choosing import BUILT_IN, candidates
from pumice.optimize.recipes.facts import ModelFacts, facts_of
from pumice.optimize.recipes.model import Recipe, Step

__all__ = ["BUILT_IN", "Built", "ModelFacts", "Recipe", "Step", "build", "candidates", "facts_of"]
