-- Documents that do not count any more: a newer one is about the same paper, or the
-- paper is gone.
-- grain:  doc
-- reads:  search.superseded, search.stored_documents, incoming.fresh,
--         incoming.gone
--
-- doc  number of the document
with papers as (
    select
        paper_id,
        min(doc) as newest_from,
    from incoming.fresh
    group by paper_id
    union all
    select
        paper_id,
        null as newest_from,
    from incoming.gone
),

counted_no_more as (
    select doc,
    from search.superseded
    union
    select documents.doc,
    from search.stored_documents as documents
    inner join papers on documents.paper_id = papers.paper_id
    where papers.newest_from is null or documents.doc < papers.newest_from
)

select doc,
from counted_no_more
where doc in (select doc, from search.stored_documents)
order by doc
