-- Papers whose upvotes grew most after their list was first read.
-- grain:  source, date, paper_id
-- reads:  staging.papers, marts.upvote_history
-- params: since = 1991-01-01, least = 1
--
-- source         where it was listed
-- date           date of the list
-- paper_id       arXiv identifier without version
-- title          one line
-- upvotes_first  at the first snapshot that has it, count
-- upvotes        at the newest, count
-- gained         the difference, count
-- snapshots      that have it, count
-- hours          from the first snapshot to the newest
with growth as (
    select
        source,
        date,
        paper_id,
        arg_min(upvotes, fetched_at) as upvotes_first,
        arg_max(upvotes, fetched_at) as upvotes,
        count(*) as snapshots,
        date_diff('hour', min(fetched_at), max(fetched_at)) as hours,
    from marts.upvote_history
    where upvotes is not null and date >= cast($since as date)
    group by source, date, paper_id
)

select
    growth.source,
    growth.date,
    growth.paper_id,
    papers.title,
    growth.upvotes_first,
    growth.upvotes,
    growth.upvotes - growth.upvotes_first as gained,
    growth.snapshots,
    growth.hours,
from growth
inner join staging.papers as papers on growth.paper_id = papers.paper_id
where growth.upvotes - growth.upvotes_first >= cast($least as integer)
order by gained desc, growth.date desc, growth.source asc, growth.paper_id asc
