-- How the upvotes of every listed paper grew: one row per snapshot of its list.
-- grain:  source, scope, date, paper_id, fetched_at
-- reads:  lake.listings
--
-- source      where it was listed
-- scope       the part of the source that was asked for; empty: all of it
-- date        the date it was listed for
-- paper_id    arXiv identifier without version
-- fetched_at  when the snapshot was read, UTC
-- rank        place in the list, 1 is the top
-- upvotes     count; null where the source has none
-- comments    count
-- gained      upvotes since the snapshot before, count; null at the first
with snapshots as (
    select
        source,
        scope,
        date,
        paper_id,
        fetched_at,
        min(rank) as rank,
        max(upvotes) as upvotes,
        max(comments) as comments,
    from lake.listings
    group by source, scope, date, paper_id, fetched_at
)

select
    source,
    scope,
    date,
    paper_id,
    fetched_at,
    rank,
    upvotes,
    comments,
    upvotes - lag(upvotes) over (
        partition by source, scope, date, paper_id
        order by fetched_at asc
    ) as gained,
from snapshots
