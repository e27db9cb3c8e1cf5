-- What a digest missed: papers not picked that readers voted to the top of their day.
-- grain:  profile, date, paper_id
-- reads:  staging.lists, staging.scores, staging.digests
-- params: profile = any, top = 3
--
-- profile        whose digest; only those that leave papers out
-- date           date of the list
-- paper_id       arXiv identifier without version
-- title          one line
-- score          0 to 100, when the digest was made
-- lowest_picked  lowest score that was picked that day; null where none was
-- upvotes_then   when it was scored, count
-- upvotes        at the newest snapshot, count
-- upvotes_rank   place by upvotes among that day's papers, 1 is the top
with papers_by_upvotes as (
    select
        date,
        paper_id,
        any_value(title) as title,
        max(upvotes) as upvotes,
        rank() over (
            partition by date
            order by max(upvotes) desc
        ) as upvotes_rank,
    from staging.lists
    where upvotes is not null
    group by date, paper_id
),

lowest_picks as (
    select
        profile,
        date,
        min(score) filter (where is_selected) as score,
    from staging.scores
    group by profile, date
)

select
    scores.profile,
    scores.date,
    scores.paper_id,
    papers.title,
    scores.score,
    lowest_picks.score as lowest_picked,
    scores.upvotes as upvotes_then,
    papers.upvotes,
    papers.upvotes_rank,
from staging.scores as scores
inner join papers_by_upvotes as papers
    on scores.date = papers.date and scores.paper_id = papers.paper_id
inner join lowest_picks
    on scores.profile = lowest_picks.profile and scores.date = lowest_picks.date
where
    not scores.is_selected
    and papers.upvotes_rank <= cast($top as integer)
    and ($profile = 'any' or scores.profile = $profile)
    and not exists (
        select 1,
        from staging.digests as digests
        where
            digests.profile = scores.profile
            and digests.paper_id = scores.paper_id
    )
order by
    scores.date desc,
    scores.profile asc,
    papers.upvotes_rank asc,
    scores.paper_id asc
