-- How long papers take from their submission to arXiv to a list, month by month.
-- grain:  month, source
-- reads:  staging.lists
--
-- month        first day of the month it was listed in
-- source       that listed it
-- papers       first listed there that month, count
-- median_days  from submission to the list's date, days
-- p90_days     nine in ten take no longer, days
-- most_days    the longest, days
with first_listings as (
    select
        source,
        paper_id,
        min(date) as date,
        min(cast(published_at at time zone 'UTC' as date)) as submitted_on,
    from staging.lists
    where published_at is not null
    group by source, paper_id
)

select
    cast(date_trunc('month', date) as date) as month,
    source,
    count(*) as papers,
    median(date - submitted_on) as median_days,
    round(quantile_cont(date - submitted_on, 0.9), 1) as p90_days,
    max(date - submitted_on) as most_days,
from first_listings
group by all
order by month asc, source asc
