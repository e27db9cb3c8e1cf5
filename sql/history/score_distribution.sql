-- How scores are spread: papers per profile and ten points of score.
-- grain:  profile, score_from
-- reads:  staging.scores
-- params: profile = any
--
-- profile     whose scores
-- score_from  the lowest score of these ten; 90 has 100 as well
-- papers      scored so, count
-- picked      of these, in the digest, count
select
    profile,
    cast(least(score // 10 * 10, 90) as integer) as score_from,
    count(*) as papers,
    count(*) filter (where is_selected) as picked,
from staging.scores
where $profile = 'any' or profile = $profile
group by all
order by profile asc, score_from asc
