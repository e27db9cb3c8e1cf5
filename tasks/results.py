"""What flow runs have returned, remembered in this process.

A client that did not hear that its last report arrived sends it again, and the server answers with
the state that it has, without data: on a busy machine a digest is then published, and nobody knows
what it was. https://docs.prefect.io/v3/concepts/states
"""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run

_RETURNED: dict[str, object] = {}


def remember(result: object) -> None:
    """Keep what this flow run is about to return."""
    _RETURNED[str(this_run.id)] = result


def result_of(state: State[Any]) -> Any:  # noqa: ANN401 (whatever the flow returns)
    """What the flow run has returned, or the exception that ended it.

    Raises:
        MissingResult: it completed with something that is not known here.
    """
    run = str(state.state_details.flow_run_id)
    if state.data is None and run in _RETURNED:
        return _RETURNED[run]
    return state.result(raise_on_failure=False)
