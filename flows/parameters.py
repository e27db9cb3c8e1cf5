"""The types of the flows' parameters, so that Prefect draws them as a form.

Prefect makes a form from the JSON schema of a flow's signature: a date gets a calendar, an enum a
menu, a list of an enum a menu of several, a number its bounds; `X | None` first asks which of the
two it is. The text below a field is its line in the docstring's `Args`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from broadsheet.config import load_settings, profile_names
from broadsheet.errors import UsageError


class _OneOfTheProfiles:
    """Names the profiles there are in the schema of a text, and refuses no other.

    An unknown one is refused by whoever loads it, with its own message.
    """

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        known = _known()
        return {**handler(core), **({"enum": known} if known else {})}


def _known() -> list[str]:
    """The profiles' names; none where the settings cannot be read.

    Prefect makes the schema when a flow's module is imported: the run has to say what is wrong
    with the settings, not the import.
    """
    try:
        return profile_names(load_settings())
    except UsageError:
        return []


ProfileName = Annotated[str, _OneOfTheProfiles()]
"""One profile, from a menu of those there are when the deployment is made."""

Profiles = Sequence[ProfileName]
"""Any of the profiles; where the default is empty, that means all of them."""

Order = Literal["newest first", "oldest first"]
"""Which end of a range of dates comes first."""

Parallel = Annotated[int, Field(ge=1, le=32)]
"""How many digests are made at once; the bounds of the setting `parallel_digests`."""
