"""Names of rooms that are imported on first use."""

from __future__ import annotations

from types import ModuleType

import pytest

from shakeslide import evaluation, models, pipeline


@pytest.mark.parametrize("room", [evaluation, models, pipeline], ids=lambda room: room.__name__)
def test_every_name_of_a_room_is_there_and_no_other(room: ModuleType) -> None:
    made = [name for names in room._HOMES.values() for name in names]
    assert sorted(made) == sorted(room.__all__)
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = room.no_such_name
