-- Keys that several rows have, in tables where a key has one row.
-- grain:  relation, key
-- reads:  lake.digests, lake.listings, staging.runs, staging.scores
-- severity: fail
--
-- relation  which of the tables
-- key       its key's values
-- copies    rows that have it, count
with keys_of_rows as (
    select
        'lake.digests' as relation,
        concat_ws(' ', profile, date, paper_id) as key,
    from lake.digests
    union all
    select
        'lake.listings' as relation,
        concat_ws(' ', source, scope, date, paper_id, fetched_at) as key,
    from lake.listings
    union all
    select
        'staging.runs' as relation,
        run_id as key,
    from staging.runs
    union all
    select
        'staging.scores' as relation,
        concat_ws(' ', profile, date, paper_id) as key,
    from staging.scores
)

select
    relation,
    key,
    count(*) as copies,
from keys_of_rows
group by relation, key
having count(*) > 1
order by relation, key
