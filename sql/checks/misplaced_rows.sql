-- Rows in a folder that is not theirs: a file of the lake was renamed or copied.
-- grain:  relation, key
-- reads:  lake.answers, lake.runs
-- severity: fail
--
-- relation  which of the tables
-- key       content key or flow run
-- folder    the partition it is in
-- belongs   the partition it belongs to
select
    'lake.answers' as relation,
    key,
    prefix as folder,
    left(key, 2) as belongs,
from lake.answers
where prefix <> left(key, 2)
union all
select
    'lake.runs' as relation,
    run_id as key,
    cast(date as varchar) as folder,
    cast(cast(started_at as date) as varchar) as belongs,
from lake.runs
where date <> cast(started_at as date)
order by relation, key
