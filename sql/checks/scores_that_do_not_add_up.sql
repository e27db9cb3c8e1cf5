-- Scores that are not their points added up, rounded and kept within 0 to 100.
-- grain:  profile, date, paper_id
-- reads:  staging.scores
-- severity: fail
--
-- profile   whose interests
-- date      date of the list
-- paper_id  arXiv identifier without version
-- score     as stored
-- points    as added up, before rounding
with scores_added_up as (
    select
        *,
        interest_points + popularity_points + freshness_points - negative_points
            as points,
    from staging.scores
)

select
    profile,
    date,
    paper_id,
    score,
    points,
from scores_added_up
where
    score is null
    or points is null
    or abs(score - greatest(0, least(100, points))) > 0.501
order by profile, date, paper_id
