-- Who keeps appearing: authors with the most papers listed, and how many were featured.
-- grain:  author
-- reads:  lake.listings, marts.authors, staging.digests
-- params: since = 1991-01-01, least = 2
--
-- author           name as the source writes it; namesakes are not told apart
-- papers           listed since then, count
-- papers_featured  of these, in any digest, count
-- papers_first     of these, those with this author first, count
-- first_listed_on  earliest date one was listed for
-- last_listed_on   latest date one was first listed for
with papers_listed as (
    select
        paper_id,
        min(date) as first_listed_on,
    from lake.listings
    group by paper_id
),

featured_papers as (
    select distinct paper_id,
    from staging.digests
),

authors_counted as (
    select
        authors.author,
        count(distinct authors.paper_id) as papers,
        count(distinct featured_papers.paper_id) as papers_featured,
        count(distinct authors.paper_id) filter (
            where authors.position = 1
        ) as papers_first,
        min(papers_listed.first_listed_on) as first_listed_on,
        max(papers_listed.first_listed_on) as last_listed_on,
    from marts.authors as authors
    inner join papers_listed on authors.paper_id = papers_listed.paper_id
    left join featured_papers on authors.paper_id = featured_papers.paper_id
    where papers_listed.first_listed_on >= cast($since as date)
    group by authors.author
)

select
    author,
    papers,
    papers_featured,
    papers_first,
    first_listed_on,
    last_listed_on,
from authors_counted
where papers >= cast($least as integer)
order by papers desc, papers_featured desc, author asc
