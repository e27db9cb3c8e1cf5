-- How runs ended, week by week and flow by flow, and how long they took.
-- grain:  week, flow
-- reads:  staging.runs
--
-- week            Monday of the week they started in
-- flow            flow's name
-- runs            count
-- complete        of these, complete or empty, count
-- partial         of these, partial, count
-- failed          of these, failed, count
-- median_seconds  wall time
-- most_seconds    wall time of the longest
select
    cast(date_trunc('week', date) as date) as week,
    flow,
    count(*) as runs,
    count(*) filter (where outcome in ('complete', 'empty')) as complete,
    count(*) filter (where outcome = 'partial') as partial,
    count(*) filter (where outcome = 'failed') as failed,
    round(median(duration_seconds), 1) as median_seconds,
    round(max(duration_seconds), 1) as most_seconds,
from staging.runs
group by all
order by week desc, flow asc
