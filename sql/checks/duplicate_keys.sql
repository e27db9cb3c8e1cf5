-- Keys that several different rows have, in tables where a key has one row.
-- grain:  relation, key
-- reads:  lake.archive, lake.digests, lake.listings, lake.runs, staging.scores
-- severity: fail
--
-- relation  which of the tables
-- key       its key's values
-- copies    different rows that have it, count
with keys_of_rows as (
    select
        'lake.archive' as relation,
        paper_id as key,
        row_number() over () as content,
    from lake.archive
    union all
    select
        'lake.digests' as relation,
        concat_ws(' ', profile, date, paper_id) as key,
        row_number() over () as content,
    from lake.digests
    union all
    -- equal copies are what a maintenance that was killed leaves until the next
    select
        'lake.listings' as relation,
        concat_ws(' ', source, scope, date, paper_id, fetched_at) as key,
        hash(listings) as content,
    from lake.listings
    union all
    -- a run that is taken up again ends twice
    select
        'lake.runs' as relation,
        run_id as key,
        hash(flow, profile, digest_date, started_at) as content,
    from lake.runs
    union all
    select
        'staging.scores' as relation,
        concat_ws(' ', profile, date, paper_id) as key,
        row_number() over () as content,
    from staging.scores
)

select
    relation,
    key,
    count(distinct content) as copies,
from keys_of_rows
group by relation, key
having count(distinct content) > 1
order by relation, key
