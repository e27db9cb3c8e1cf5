-- The text read of every paper: the best reading of its newest version.
-- grain:  paper_id
-- reads:  lake.fulltexts
--
-- paper_id         arXiv identifier without version
-- version          arXiv version of the text; null where unknown
-- reading_source   html or abstract
-- reason           ok, or why it is the abstract
-- sections         heading, text, level
-- chars            characters of text
-- sha256           of headings and texts
-- has_hidden_text  invisible text was found and dropped
-- fetched_at       UTC
select
    paper_id,
    version,
    reading_source,
    reason,
    sections,
    chars,
    sha256,
    has_hidden_text,
    fetched_at,
from lake.fulltexts
qualify row_number() over (
    partition by paper_id
    order by version desc nulls last, reading_source desc, fetched_at desc, date desc
) = 1
