-- The story of one paper: when it was listed, voted for, scored, featured and analyzed.
-- grain:  date, event, whom, known_at
-- reads:  staging.digests, staging.scores, staging.analyses, marts.upvote_history
-- params: paper_id
--
-- date      date of the list it was on
-- event     listed, scored, featured or analyzed
-- whom      source, profile, or style and model
-- known_at  when that was known, UTC; null for scores
-- said      upvotes, score or outcome in words
with events as (
    select
        date,
        'listed' as event,
        source as whom,
        fetched_at as known_at,
        concat_ws(', ', 'place ' || rank, upvotes || ' upvotes') as said,
    from marts.upvote_history
    where paper_id = $paper_id
    union all
    select
        date,
        'scored' as event,
        profile as whom,
        null as known_at,
        score || ' points' || case when is_selected then ', picked' else '' end as said,
    from staging.scores
    where paper_id = $paper_id
    union all
    select
        date,
        'featured' as event,
        profile as whom,
        published_at as known_at,
        concat_ws(', ', 'place ' || position, score || ' points', status) as said,
    from staging.digests
    where paper_id = $paper_id
    union all
    select
        date,
        'analyzed' as event,
        concat_ws(', ', style, model, question[:8]) as whom,
        analyzed_at as known_at,
        concat_ws(', ', status, 'read from ' || reading_source) as said,
    from staging.analyses
    where paper_id = $paper_id
)

select
    date,
    event,
    whom,
    known_at,
    said,
from events
order by date asc, known_at asc nulls last, event asc, whom asc
