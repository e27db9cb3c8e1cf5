-- What each digest featured, newest first.
-- grain:  profile, date, paper_id
-- reads:  staging.digests
--
-- profile   whose digest
-- date      date of the list
-- paper_id  arXiv identifier without version
-- position  place in the digest, 1 is the top
-- score     0 to 100
-- title     as published
-- reason    the score's components in words
select
    profile,
    date,
    paper_id,
    position,
    score,
    title,
    reason,
from staging.digests
order by date desc, profile asc, position asc
