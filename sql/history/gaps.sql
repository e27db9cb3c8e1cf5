-- Days with gaps: between a profile's first digest and its last, what is not whole.
-- grain:  profile, date
-- reads:  marts.editions
--
-- profile          whose digest
-- date             date of the list
-- weekday          Monday to Sunday
-- gap              missing, partial or source missing
-- pending          papers still waiting for a model, count
-- missing_sources  sources that did not answer
with days_to_be_had as (
    select
        profile,
        cast(unnest(
            generate_series(min(date), max(date), interval 1 day)
        ) as date) as date,
    from marts.editions
    group by profile
)

select
    days.profile,
    days.date,
    dayname(days.date) as weekday,
    case
        when editions.date is null then 'missing'
        when len(editions.missing_sources) > 0 then 'source missing'
        else 'partial'
    end as gap,
    editions.pending,
    editions.missing_sources,
from days_to_be_had as days
left join marts.editions as editions
    on days.profile = editions.profile and days.date = editions.date
where editions.date is null or editions.outcome = 'partial'
order by days.date desc, days.profile asc
