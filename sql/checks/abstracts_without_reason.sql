-- Readings that do not say why they are the abstract, or that have no text.
-- grain:  paper_id
-- reads:  staging.fulltexts
-- severity: fail
--
-- paper_id        arXiv identifier without version
-- reading_source  html or abstract
-- reason          ok, or why it is the abstract
-- chars           characters of text
select
    paper_id,
    reading_source,
    reason,
    chars,
from staging.fulltexts
where
    coalesce(trim(reason), '') = ''
    or (reading_source = 'abstract' and reason = 'ok')
    or coalesce(chars, 0) = 0
order by paper_id
