-- Topics that rise and fall: their share of the papers listed lately, and just before.
-- grain:  kind, topic
-- reads:  lake.listings, marts.topics
-- params: until = newest, days = 28, least = 3, kind = keyword
--
-- kind           keyword or category
-- topic          in lower case
-- papers         listed in the days up to until that have it, count
-- papers_before  listed in as many days before that have it, count
-- share          of the papers listed in those days, 0 to 1
-- share_before   of the papers listed before, 0 to 1
-- change         share less share_before; topics of fewer than least papers left out
with papers_listed as (
    select
        paper_id,
        min(date) as first_listed_on,
    from lake.listings
    group by paper_id
),

last_day as (
    select
        case
            when cast($until as varchar) = 'newest' then max(first_listed_on)
            else cast($until as date)
        end as date,
    from papers_listed
),

papers_in_either_time as (
    select
        papers.paper_id,
        papers.first_listed_on > last_day.date - cast($days as integer) as is_late,
    from papers_listed as papers
    cross join last_day
    where
        papers.first_listed_on <= last_day.date
        and papers.first_listed_on > last_day.date - 2 * cast($days as integer)
),

papers_in_each_time as (
    select
        count(*) filter (where is_late) as late,
        count(*) filter (where not is_late) as early,
    from papers_in_either_time
),

topics_in_each_time as (
    select
        topics.kind,
        topics.topic,
        count(*) filter (where papers.is_late) as late,
        count(*) filter (where not papers.is_late) as early,
    from marts.topics as topics
    inner join papers_in_either_time as papers on topics.paper_id = papers.paper_id
    where topics.kind = $kind
    group by topics.kind, topics.topic
)

select
    topics.kind,
    topics.topic,
    topics.late as papers,
    topics.early as papers_before,
    round(topics.late / nullif(papers.late, 0), 4) as share,
    round(topics.early / nullif(papers.early, 0), 4) as share_before,
    round(
        coalesce(topics.late / nullif(papers.late, 0), 0)
        - coalesce(topics.early / nullif(papers.early, 0), 0), 4
    ) as change,
from topics_in_each_time as topics
cross join papers_in_each_time as papers
where greatest(topics.late, topics.early) >= cast($least as integer)
order by change desc, topics.topic asc
