-- The papers of one year as they are to be stored: those that are there and those that
-- came, of each its newest version.
-- grain:  paper_id
-- reads:  incoming.papers, lake.archive
-- params: year, gone
--
-- paper_id      arXiv identifier without version
-- year          of the date
-- date          the day it was announced
-- rank          place among the day's papers, by identifier
-- title         one line
-- abstract      one line
-- authors       names in order
-- categories    arXiv categories, primary first
-- version       newest arXiv version
-- published_at  first submission to arXiv, UTC
-- payload       the rest of the record, JSON
-- fetched_at    when the record was as it is here, UTC
with candidates as (
    select
        line,
        date,
        paper_id,
        title,
        abstract,
        authors,
        categories,
        version,
        published_at,
        payload,
        fetched_at,
    from incoming.papers
    where year = $year
    union all
    select
        0 as line,
        date,
        paper_id,
        title,
        abstract,
        authors,
        categories,
        version,
        published_at,
        payload,
        fetched_at,
    from lake.archive
    where year = $year
),

-- chosen and ranked without their texts, which would be sorted three times
newest as (
    select
        paper_id,
        line,
        date,
    from candidates
    where not list_contains($gone, paper_id)
    qualify row_number() over (
        partition by paper_id
        order by version desc, fetched_at desc, line desc
    ) = 1
),

newest_ranked as (
    select
        paper_id,
        line,
        row_number() over (
            partition by date
            order by paper_id asc
        ) as rank,
    from newest
)

select
    candidates.paper_id,
    cast($year as smallint) as year,
    candidates.date,
    cast(newest_ranked.rank as integer) as rank,
    candidates.title,
    candidates.abstract,
    candidates.authors,
    candidates.categories,
    candidates.version,
    candidates.published_at,
    candidates.payload,
    candidates.fetched_at,
from candidates
inner join newest_ranked
    on
        candidates.paper_id = newest_ranked.paper_id
        and candidates.line = newest_ranked.line
order by candidates.date asc, newest_ranked.rank asc
