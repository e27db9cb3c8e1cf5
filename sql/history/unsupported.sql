-- Claims not found in the source: stated by an analysis, newest first.
-- grain:  profile, date, paper_id, section, claim
-- reads:  staging.digests, staging.analyses
--
-- profile   whose digest
-- date      date of the list
-- paper_id  arXiv identifier without version
-- section   id of the section that states it
-- claim     as written
-- title     as published
-- kind      number, percentage or name
-- model     litellm's name of the model that stated it
with claims_not_found as (
    select
        style,
        paper_id,
        question,
        model,
        unnest(flags) as flag,
    from staging.analyses
)

select
    digests.profile,
    digests.date,
    digests.paper_id,
    claims_not_found.flag.section,
    claims_not_found.flag.claim,
    digests.title,
    claims_not_found.flag.kind,
    claims_not_found.model,
from staging.digests as digests
inner join claims_not_found
    on
        digests.style = claims_not_found.style
        and digests.paper_id = claims_not_found.paper_id
        and digests.question = claims_not_found.question
order by
    digests.date desc,
    digests.profile asc,
    digests.position asc,
    claims_not_found.flag.section asc,
    claims_not_found.flag.claim asc
