-- What digests made by others lost to refusals (429 and the like), and what is mended.
-- grain:  profile, date, paper_id
-- reads:  staging.digests, staging.analyses
--
-- profile         whose digest
-- date            date of the list
-- paper_id        arXiv identifier without version
-- title           as published
-- score           0 to 100, as published
-- pending_reason  kind of fault that the digest had in place of an analysis
-- is_mended       whether another digest or style has an analysis of it by now
select
    digests.profile,
    digests.date,
    digests.paper_id,
    digests.title,
    digests.score,
    analyses.pending_reason,
    exists (
        select 1,
        from staging.analyses as others
        where
            others.paper_id = digests.paper_id
            and others.status = 'complete'
            and others.model <> 'extractive'
    ) as is_mended,
from staging.digests as digests
left join staging.analyses as analyses
    on
        digests.style = analyses.style
        and digests.paper_id = analyses.paper_id
        and digests.question = analyses.question
where digests.origin = 'imported' and digests.status = 'pending'
order by digests.date asc, digests.profile asc, digests.position asc
