"""Tests of the tags of maps and factors."""

from __future__ import annotations

from shakeslide.io import map_tags


def test_names_of_classes_come_back_by_number() -> None:
    names = {1: "shale", 40: "limestone", -3: "unknown"}
    assert map_tags.class_names(map_tags.of_classes(names)) == names


def test_tags_of_strangers_name_no_class() -> None:
    tags = {"class_2": "marl", "class_of": "x", "class_": "x", "class_1.5": "x", "unit": "m"}
    assert map_tags.class_names(tags | {"class_" + "9" * 5000: "x"}) == {2: "marl"}
