-- Published papers whose analysis is not stored, or not as complete as was said.
-- grain:  profile, date, paper_id
-- reads:  staging.analyses, staging.digests
-- severity: fail
--
-- profile   whose digest
-- date      date of the list
-- paper_id  arXiv identifier without version
-- question  content key of the analysis used
-- status    of the analysis, as the digest says
-- stored    of the analysis, as stored; null where it is not
select
    digests.profile,
    digests.date,
    digests.paper_id,
    digests.question,
    digests.status,
    analyses.status as stored,
from staging.digests as digests
left join staging.analyses as analyses
    on
        digests.style = analyses.style
        and digests.paper_id = analyses.paper_id
        and digests.question = analyses.question
where
    (
        analyses.status is null
        or (digests.status = 'complete' and analyses.status <> 'complete')
    )
    and not (digests.origin = 'imported' and digests.question is null)
order by digests.profile, digests.date, digests.paper_id
