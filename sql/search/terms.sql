-- How many documents of a segment have a term.
-- grain:  term
-- reads:  incoming.postings
--
-- term       a stem
-- documents  count
select
    term,
    cast(count(*) as integer) as documents,
from incoming.postings
group by term
order by term
