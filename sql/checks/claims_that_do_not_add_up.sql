-- Analyses whose flagged claims are not those stated less those found.
-- grain:  style, paper_id, question
-- reads:  staging.analyses
-- severity: fail
--
-- style         report style
-- paper_id      arXiv identifier without version
-- question      content key of the question
-- claims        as stored
-- claims_found  as stored
-- flagged       claims flagged, count
select
    style,
    paper_id,
    question,
    claims,
    claims_found,
    coalesce(len(flags), 0) as flagged,
from staging.analyses
where claims - claims_found <> coalesce(len(flags), 0)
order by style, paper_id, question
