-- Every paper of arXiv that was loaded or harvested, in its newest version.
-- grain:  paper_id
-- reads:  lake.archive
--
-- paper_id      arXiv identifier without version
-- year          of the date
-- date          the day it was announced, by when its first version was submitted
-- rank          place among the day's papers, by identifier
-- title         one line
-- abstract      the authors' text, one line
-- authors       names in order
-- categories    arXiv categories, primary first
-- version       newest arXiv version
-- published_at  first submission to arXiv, UTC
-- payload       the rest of the record, JSON
-- fetched_at    when the record was as it is here, UTC
select
    paper_id,
    year,
    date,
    rank,
    title,
    abstract,
    authors,
    categories,
    version,
    published_at,
    payload,
    fetched_at,
from lake.archive
