-- How often the most frequent topics were listed, week by week.
-- grain:  week, topic
-- reads:  lake.listings, marts.topics
-- params: kind = keyword, most = 8
--
-- week    Monday of the week the paper was first listed in
-- topic   one of the most frequent ones of all weeks
-- papers  first listed that week that have it, count
-- listed  papers first listed that week, count
-- share   papers of listed, 0 to 1
with papers_listed as (
    select
        paper_id,
        min(date) as first_listed_on,
    from lake.listings
    group by paper_id
),

weeks as (
    select
        cast(date_trunc('week', first_listed_on) as date) as week,
        count(*) as listed,
    from papers_listed
    group by all
),

topics_listed as (
    select
        topics.topic,
        papers_listed.first_listed_on,
    from marts.topics as topics
    inner join papers_listed on topics.paper_id = papers_listed.paper_id
    where topics.kind = $kind
),

frequent_topics as (
    select topic,
    from topics_listed
    group by topic
    order by count(*) desc, topic asc
    limit cast($most as integer)
),

papers_by_week as (
    select
        cast(date_trunc('week', topics.first_listed_on) as date) as week,
        topics.topic,
        count(*) as papers,
    from topics_listed as topics
    inner join frequent_topics on topics.topic = frequent_topics.topic
    group by all
)

select
    weeks.week,
    frequent_topics.topic,
    coalesce(papers_by_week.papers, 0) as papers,
    weeks.listed,
    round(coalesce(papers_by_week.papers, 0) / weeks.listed, 4) as share,
from weeks
cross join frequent_topics
left join papers_by_week
    on
        weeks.week = papers_by_week.week
        and frequent_topics.topic = papers_by_week.topic
order by weeks.week asc, frequent_topics.topic asc
