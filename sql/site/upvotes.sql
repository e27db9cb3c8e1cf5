-- How the upvotes of every paper grew, snapshot by snapshot of the lists that had it.
-- grain:  paper_id, fetched_at
-- reads:  marts.upvote_history
--
-- paper_id    arXiv identifier without version
-- fetched_at  when the list was read, UTC
-- upvotes     count, the most of the lists read then
select
    paper_id,
    fetched_at,
    max(upvotes) as upvotes,
from marts.upvote_history
where upvotes is not null
group by paper_id, fetched_at
order by paper_id asc, fetched_at asc
