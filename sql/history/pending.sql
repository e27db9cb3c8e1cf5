-- Papers published with their extract that still wait for a model, oldest first.
-- grain:  profile, date, paper_id
-- reads:  staging.digests, staging.analyses
--
-- profile         whose digest
-- date            date of the list
-- paper_id        arXiv identifier without version
-- title           as published
-- pending_reason  kind of fault
select
    digests.profile,
    digests.date,
    digests.paper_id,
    digests.title,
    analyses.pending_reason,
from staging.digests as digests
left join staging.analyses as analyses
    on
        digests.style = analyses.style
        and digests.paper_id = analyses.paper_id
        and digests.question = analyses.question
where digests.status = 'pending'
order by digests.date asc, digests.profile asc, digests.position asc
