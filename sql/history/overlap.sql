-- How much two profiles' digests overlap: papers that both have featured.
-- grain:  profile, other
-- reads:  staging.digests
--
-- profile       the one, first by name
-- other         the other
-- papers        featured by the one, count
-- papers_other  featured by the other, count
-- papers_both   featured by both, count
-- jaccard       papers_both of those featured by either, 0 to 1
with papers_by_profile as (
    select
        profile,
        list(distinct paper_id) as papers,
    from staging.digests
    group by profile
)

select
    one.profile,
    another.profile as other,
    len(one.papers) as papers,
    len(another.papers) as papers_other,
    len(list_intersect(one.papers, another.papers)) as papers_both,
    round(
        len(list_intersect(one.papers, another.papers))
        / len(list_distinct(one.papers || another.papers)), 4
    ) as jaccard,
from papers_by_profile as one
inner join papers_by_profile as another on one.profile < another.profile
order by jaccard desc, one.profile asc, other asc
