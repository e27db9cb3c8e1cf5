"""Assets: what a digest is made from and what it is, for the lineage that Prefect keeps.

One asset per profile and one per table of the lake, not one per date: there would be thousands.
Their keys name no place, so that they stay the same where home and lake move.
"""

from __future__ import annotations

from prefect.assets import Asset, AssetProperties

from broadsheet.config import Profile


def _table(name: str, description: str) -> Asset:
    properties = AssetProperties(name=f"lake.{name}", description=description)
    return Asset(key=f"broadsheet://lake/{name}", properties=properties)


READ_BY_A_DIGEST = [
    _table("listings", "What the sources listed, in snapshots."),
    _table("fulltexts", "The texts that were read."),
    _table("scores", "What the scan saw and how it scored."),
    _table("analyses", "What is said about each paper."),
]
"""The lake's tables that a digest is put together from."""


DIGESTS = Asset(key="broadsheet://digests")
"""All digests; each run names those of its own profile."""


def digest_asset(profile: Profile) -> Asset:
    """The digests of a profile."""
    properties = AssetProperties(
        name=profile.title, description=f"Digests of the profile {profile.name}, one per date."
    )
    return Asset(key=f"broadsheet://digests/{profile.name}", properties=properties)
