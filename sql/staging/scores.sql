-- What each scan saw and how it scored, for every profile and date.
-- grain:  profile, date, paper_id
-- reads:  lake.scores
--
-- profile            whose interests
-- date               date of the list
-- paper_id           arXiv identifier without version
-- rank               place in the scanned list, 1 is the top
-- score              0 to 100
-- interest_points    from matches of the interests
-- popularity_points  from upvotes within the day
-- freshness_points   from days since submission
-- negative_points    taken off for negative keywords
-- reason             the components in words
-- upvotes            when it was scored, count; null where no source has them
-- sources            that listed it
-- featured_on        earlier digest that kept it out of this one, else null
-- is_selected        whether the digest has it
-- position           place in the digest, 1 is the top; null where not selected
select
    profile,
    date,
    paper_id,
    rank,
    score,
    interest_points,
    popularity_points,
    freshness_points,
    negative_points,
    reason,
    upvotes,
    sources,
    featured_on,
    is_selected,
    position,
from lake.scores
