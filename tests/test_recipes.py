"""How models are trained: what the study's tables decide."""

from shakeslide.learning import model_recipes, training
from shakeslide.models import StackedAutoencoder
from shakeslide.models.registry import MODELS
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Event


def recipe(name: str = "sae", **table: object) -> training.Recipe:
    return model_recipes.recipe(name, Models.model_validate({name: table}), Event())


def test_the_table_chooses_the_settings_of_the_autoencoder() -> None:
    paper = training.Recipe("sae", "raw", {})
    modern = MODELS["sae"].variants["modern"].params
    assert recipe() == recipe(settings="paper") == paper
    assert recipe(settings="modern") == training.Recipe("sae", "sincos", modern, scaling="normal")


def test_what_the_table_sets_goes_before_its_settings() -> None:
    told = recipe(settings="modern", steps=7, units=[3], scaling="percentile", angles="raw")
    assert (told.scaling, told.angles) == ("percentile", "raw")
    modern = StackedAutoencoder.modern(steps=7, units=(3,), random_state=5)
    assert told.make(5).get_params() == modern.get_params()
    assert recipe("lr", scaling="normal").scaling == "normal"


def test_what_decoders_must_give_back_lies_from_0_to_1() -> None:
    bounded = {"settings": "modern", "pretrain_steps": 3, "activation": "sigmoid"}
    assert recipe(**bounded).scaling == "percentile"
    assert recipe(**bounded, scaling="normal").scaling == "normal"
    assert recipe(settings="modern", pretrain_steps=3).scaling == "normal"
