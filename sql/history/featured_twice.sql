-- Papers that one profile's digests featured more than once.
-- grain:  profile, paper_id
-- reads:  staging.digests
--
-- profile   whose digests
-- paper_id  arXiv identifier without version
-- title     as last published
-- times     digests that featured it, count
-- dates     of these, in order
-- scores    of these, in the same order
-- origins   of these: made, sample or imported
select
    profile,
    paper_id,
    arg_max(title, date) as title,
    count(*) as times,
    list(date order by date asc) as dates,
    list(score order by date asc) as scores,
    list(distinct origin order by origin asc) as origins,
from staging.digests
group by profile, paper_id
having count(*) > 1
order by times desc, profile asc, paper_id asc
