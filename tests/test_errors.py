"""The tree of errors is the one its module draws, and every error survives pickling."""

from __future__ import annotations

import pickle
import re

import pytest

from broadsheet import errors
from broadsheet.errors import BroadsheetError, FaultKind, ModelError


def tree(root: type[BroadsheetError]) -> list[type[BroadsheetError]]:
    """The error and all below it."""
    return [root, *(error for child in root.__subclasses__() for error in tree(child))]


def drawn() -> list[tuple[int, str]]:
    """Depth and name of every error that the docstring draws."""
    lines = re.findall(r"^((?: {4}|│   )*)(?:[├└]── )?(\w+)", str(errors.__doc__), re.MULTILINE)
    found = [(len(indent) // 4, name) for indent, name in lines if hasattr(errors, name)]
    return [(depth, name) for depth, name in found if name != "FaultKind"]


def depth(error: type[BroadsheetError]) -> int:
    """How many errors of ours are above it."""
    return sum(issubclass(above, BroadsheetError) for above in error.__mro__[1:])


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    real = [(depth(error), error.__name__) for error in tree(BroadsheetError)]
    assert [name for _, name in drawn()] == [name for _, name in real]
    first, *below = drawn()
    assert first == (1, "BroadsheetError")
    assert below == real[1:]


@pytest.mark.parametrize("error", tree(BroadsheetError))
def test_every_error_pickles_with_its_message_and_remedy(error: type[BroadsheetError]) -> None:
    raised = error("cannot read listing 2026-01-06: no such file", "run the ingest")
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is error
    assert str(again) == again.message == "cannot read listing 2026-01-06: no such file"
    assert again.remedy == "run the ingest"


@pytest.mark.parametrize("kind", FaultKind)
def test_a_model_fault_pickles_with_its_kind(kind: FaultKind) -> None:
    again = pickle.loads(pickle.dumps(ModelError("request failed", "run again later", kind)))
    assert (str(again), again.remedy) == ("request failed", "run again later")
    assert again.kind is kind


def test_a_remedy_is_optional() -> None:
    again = pickle.loads(pickle.dumps(errors.LakeError("cannot write")))
    assert (again.message, again.remedy) == ("cannot write", "")
