-- What BM25 needs to know of all documents that count.
-- grain:  documents
-- reads:  search.documents
--
-- documents  count
-- length     of all together, words, each by its weight
select
    cast(count(*) as bigint) as documents,
    cast(coalesce(sum(length), 0) as bigint) as length,
from search.documents
