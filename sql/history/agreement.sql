-- How a profile's scores and the readers' upvotes agree, month by month.
-- grain:  profile, month
-- reads:  staging.lists, staging.scores
--
-- profile               whose scores
-- month                 its first day
-- papers                scored that have upvotes, count
-- score_correlation     rank correlation of score and upvotes within the days, -1 to 1
-- interest_correlation  the same of interest_points, which know no upvotes
-- picks                 papers picked, count
-- picks_in_top          of these, in their day's top by upvotes, as many as were picked
with newest_upvotes as (
    select
        date,
        paper_id,
        max(upvotes) as upvotes,
    from staging.lists
    where upvotes is not null
    group by date, paper_id
),

-- ties share the mean of their places, as Spearman's coefficient has it
papers_by_place as (
    select
        scores.profile,
        scores.date,
        scores.is_selected,
        percent_rank() over by_score
        + (count(*) over same_score - 1) / 2 / nullif(count(*) over day - 1, 0)
            as score_place,
        percent_rank() over by_interest
        + (count(*) over same_interest - 1) / 2 / nullif(count(*) over day - 1, 0)
            as interest_place,
        percent_rank() over by_upvotes
        + (count(*) over same_upvotes - 1) / 2 / nullif(count(*) over day - 1, 0)
            as upvotes_place,
        row_number() over (
            partition by scores.profile, scores.date
            order by papers.upvotes desc, scores.paper_id asc
        ) as upvotes_rank,
        count(*) filter (where scores.is_selected) over day as picked_that_day,
    from staging.scores as scores
    inner join newest_upvotes as papers
        on scores.date = papers.date and scores.paper_id = papers.paper_id
    window
        day as (partition by scores.profile, scores.date),
        by_score as (
            partition by scores.profile, scores.date
            order by scores.score asc
        ),
        by_interest as (
            partition by scores.profile, scores.date
            order by scores.interest_points asc
        ),
        by_upvotes as (
            partition by scores.profile, scores.date
            order by papers.upvotes asc
        ),
        same_score as (partition by scores.profile, scores.date, scores.score),
        same_interest as (
            partition by scores.profile, scores.date, scores.interest_points
        ),
        same_upvotes as (partition by scores.profile, scores.date, papers.upvotes)
)

select
    profile,
    cast(date_trunc('month', date) as date) as month,
    count(*) as papers,
    round(corr(score_place, upvotes_place), 3) as score_correlation,
    round(corr(interest_place, upvotes_place), 3) as interest_correlation,
    count(*) filter (where is_selected) as picks,
    count(*) filter (
        where is_selected and upvotes_rank <= picked_that_day
    ) as picks_in_top,
from papers_by_place
group by all
order by month asc, profile asc
