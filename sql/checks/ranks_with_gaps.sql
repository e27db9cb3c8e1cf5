-- Listed papers whose rank breaks the count from 1 in their snapshot.
-- grain:  source, scope, date, fetched_at, paper_id
-- reads:  lake.listings
-- severity: warn
--
-- source      where it was listed: huggingface, arxiv
-- scope       the part of the source that was asked for; empty: all of it
-- date        the date it was listed for
-- fetched_at  when the snapshot was read, UTC
-- paper_id    arXiv identifier without version
-- rank        as stored
-- counted     as counted
with papers_listed as (
    -- equal copies are what a maintenance that was killed leaves until the next
    select distinct
        source,
        scope,
        date,
        fetched_at,
        paper_id,
        rank,
    from lake.listings
),

papers_counted as (
    select
        *,
        row_number() over (
            partition by source, scope, date, fetched_at
            order by rank asc, paper_id asc
        ) as counted,
    from papers_listed
)

select
    source,
    scope,
    date,
    fetched_at,
    paper_id,
    rank,
    counted,
from papers_counted
where rank is distinct from counted
order by source, scope, date, fetched_at, counted
