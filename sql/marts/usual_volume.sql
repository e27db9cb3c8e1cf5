-- How many papers a date's lists have, and how many that weekday's lists usually have.
-- grain:  source, scope, date
-- reads:  staging.listings
-- params: asked, date
--
-- source  where it is listed: huggingface, arxiv
-- scope   the part of the source that is asked for; empty: all of it
-- date    date of the list
-- listed  papers in its newest snapshot, count; 0 also where none is stored
-- weeks   lists with papers on that weekday in the 8 weeks before, count
-- usual   papers in the newest snapshot of these, median; null if fewer than 4
-- share   listed / usual
with lists_asked as (
    select
        list.source,
        list.scope,
    from (select unnest($asked) as list,) as asked
),

lists_of_that_weekday as (
    select
        source,
        scope,
        date,
        count(*) as papers,
        date < cast($date as date) as is_before,
    from staging.listings
    where
        is_listed
        and date between cast($date as date) - 56 and cast($date as date)
        and (cast($date as date) - date) % 7 = 0
    group by source, scope, date
),

lists_with_those_before as (
    select
        lists_asked.source,
        lists_asked.scope,
        coalesce(sum(lists.papers) filter (where not lists.is_before), 0) as listed,
        count(*) filter (where lists.is_before) as weeks,
        case
            when count(*) filter (where lists.is_before) >= 4
                then median(lists.papers) filter (where lists.is_before)
        end as usual,
    from lists_asked
    left join lists_of_that_weekday as lists
        on lists_asked.source = lists.source and lists_asked.scope = lists.scope
    group by lists_asked.source, lists_asked.scope
)

select
    source,
    scope,
    cast($date as date) as date,
    cast(listed as integer) as listed,
    cast(weeks as integer) as weeks,
    usual,
    listed / usual as share,
from lists_with_those_before
order by source asc, scope asc
