-- The papers that score best over many dates, each on the date that it scores best on.
-- grain:  paper_id
-- reads:  marts.scores
-- params: top
--
-- paper_id           arXiv identifier without version
-- date               date of the list
-- score              0 to 100
-- title              one line
-- reason             matched interests by weight, then upvotes
-- interest_points    from matches of the interests
-- popularity_points  from upvotes within the day
-- freshness_points   from days between submission and list
-- negative_points    taken off for negative keywords
-- categories         arXiv categories
-- sources            that listed it that day
-- upvotes            count; null where no source has them
select
    paper_id,
    date,
    score,
    title,
    reason,
    interest_points,
    popularity_points,
    freshness_points,
    negative_points,
    categories,
    sources,
    upvotes,
from marts.scores
qualify
    row_number() over (
        partition by paper_id
        order by score desc, date desc
    ) = 1
order by score desc, date desc, paper_id asc
limit $top
