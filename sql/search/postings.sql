-- How often a document has a term, for every term and document of a segment.
-- grain:  term, doc
-- reads:  incoming.positions
--
-- term       a stem
-- doc        number of the document
-- frequency  occurrences, each by its weight
-- length     of the document, words, each by its weight
select
    term,
    doc,
    cast(sum(weight) as integer) as frequency,
    any_value(length) as length,
from incoming.positions
group by term, doc
order by term asc, doc asc
