"""A flow run's result is known even where the server gives its state back without data."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from builders import DAY
from prefect.client.schemas.objects import State, StateDetails, StateType
from prefect.exceptions import MissingResult
from prefect.states import Completed

from broadsheet.models import Outcome
from broadsheet.publishing import Published
from tasks import digests, results


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """The flow run that tests are in."""
    run = uuid4()
    monkeypatch.setattr(results, "this_run", SimpleNamespace(id=str(run)))
    monkeypatch.setattr(results, "_RETURNED", {})
    return run


def from_server(run: UUID) -> State[object]:
    """A completed state as the server tells it: whatever was returned is not in it."""
    return State(type=StateType.COMPLETED, state_details=StateDetails(flow_run_id=run))


PUBLISHED = Published(profile="cv", date=DAY, outcome=Outcome.COMPLETE, selected=2)


def test_what_was_returned_is_known_without_the_states_data(run: UUID) -> None:
    digests.as_state(PUBLISHED)
    assert results.result_of(from_server(run)) == PUBLISHED


def test_a_state_with_data_speaks_for_itself(run: UUID) -> None:
    results.remember("something else")
    assert results.result_of(Completed(data=PUBLISHED)) == PUBLISHED


def test_what_another_process_returned_is_missing(run: UUID) -> None:
    results.remember(PUBLISHED)
    with pytest.raises(MissingResult):
        results.result_of(from_server(uuid4()))


def test_one_digest_that_the_server_tells_without_data_is_summed_up(run: UUID) -> None:
    digests.as_state(PUBLISHED)
    made = digests.sum_up([("cv", DAY)], [from_server(run)])
    assert made.is_completed()
    assert results.result_of(from_server(run)) == [PUBLISHED]
