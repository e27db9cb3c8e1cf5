-- Every published digest with what its page and its feed say of it as a whole.
-- grain:  profile, date
-- reads:  lake.digests, lake.runs
--
-- profile             whose digest
-- date                date of the list
-- outcome             complete, empty or partial
-- style               report style
-- language            language of the page
-- origin              made, sample or imported
-- listed              papers all sources listed, count
-- scanned             papers scored, count
-- missing_sources     sources that did not answer
-- first_published_at  when a first state of it was, UTC
-- updated_at          when its newest state was, UTC
with digests_published as (
    select
        profile,
        date,
        any_value(outcome) as outcome,
        any_value(style) as style,
        coalesce(any_value(language), 'en') as language,
        any_value(origin) as origin,
        any_value(listed) as listed,
        any_value(scanned) as scanned,
        any_value(missing_sources) as missing_sources,
        min(published_at) as first_published_at,
        max(published_at) as updated_at,
    from lake.digests
    group by profile, date
),

-- rows that changed have lost the instant they were first published at
first_runs as (
    select
        profile,
        digest_date as date,
        min(ended_at) as ended_at,
    from lake.runs
    where outcome in ('complete', 'empty', 'partial')
    group by profile, digest_date
)

select
    digests.profile,
    digests.date,
    digests.outcome,
    digests.style,
    digests.language,
    digests.origin,
    digests.listed,
    digests.scanned,
    digests.missing_sources,
    least(digests.first_published_at, first_runs.ended_at) as first_published_at,
    digests.updated_at,
from digests_published as digests
left join first_runs
    on digests.profile = first_runs.profile and digests.date = first_runs.date
order by digests.date desc, digests.profile asc
