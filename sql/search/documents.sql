-- The documents of a segment.
-- grain:  doc
-- reads:  incoming.drafts
--
-- doc              number of the document
-- paper_id         arXiv identifier without version
-- title            one line
-- first_listed_on  earliest date it was listed for or announced
-- length           words, each by its weight
-- content          of its texts, a number: whether they changed
select
    doc,
    paper_id,
    title,
    first_listed_on,
    cast(3 * len(words(title)) + len(words(body)) as integer) as length,
    content,
from incoming.drafts
order by doc
