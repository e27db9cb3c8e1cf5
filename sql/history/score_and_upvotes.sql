-- Every scored paper with its score and the upvotes it has by now.
-- grain:  profile, date, paper_id
-- reads:  staging.lists, staging.scores
-- params: profile = any, since = 1991-01-01
--
-- profile      whose score
-- date         date of the list
-- paper_id     arXiv identifier without version
-- score        0 to 100
-- upvotes      at the newest snapshot of that date's lists, count
-- is_selected  whether the digest has it
with newest_upvotes as (
    select
        date,
        paper_id,
        max(upvotes) as upvotes,
    from staging.lists
    where upvotes is not null and date >= cast($since as date)
    group by date, paper_id
)

select
    scores.profile,
    scores.date,
    scores.paper_id,
    scores.score,
    papers.upvotes,
    scores.is_selected,
from staging.scores as scores
inner join newest_upvotes as papers
    on scores.date = papers.date and scores.paper_id = papers.paper_id
where $profile = 'any' or scores.profile = $profile
order by scores.date asc, scores.profile asc, scores.score desc, scores.paper_id asc
