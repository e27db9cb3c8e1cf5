-- Published articles that a repair may finish: no model has answered yet, or arXiv's
-- page was not there to be read; of imported digests the former only.
-- grain:  profile, date, paper_id
-- reads:  staging.digests, lake.analyses, lake.fulltexts
-- params: as_of, within_days, since, is_sample
--
-- profile      whose digest
-- date         date of the list; none before since, unless that is null
-- paper_id     arXiv identifier without version
-- style        report style it was published in
-- language     language of the page
-- origin       made, sample or imported
-- is_pending   still waits for a model
-- is_missed    the abstract was read, within_days before as_of, for want of a page that
--              may have come since; also where a profile wants no page
-- is_outdated  the abstract was read in that time, and by now the page is stored
with texts_of_their_dates as (
    -- until the next maintenance a text may have an older copy beside it
    select
        date,
        paper_id,
        reason,
    from lake.fulltexts
    qualify row_number() over (
        partition by date, paper_id
        order by fetched_at desc
    ) = 1
),

articles_published as (
    select
        digests.profile,
        digests.date,
        digests.paper_id,
        digests.style,
        digests.language,
        digests.origin,
        digests.position,
        digests.status = 'pending' as is_pending,
        -- an analysis is stored right after its page was looked for
        coalesce(
            digests.origin <> 'imported'
            and analyses.reading_source = 'abstract'
            and analyses.analyzed_at
            >= cast($as_of as timestamptz) - to_days(cast($within_days as integer)),
            false
        ) as is_recent_abstract,
        texts.reason,
    from staging.digests as digests
    left join lake.analyses as analyses
        on
            digests.profile = analyses.profile
            and digests.date = analyses.date
            and digests.paper_id = analyses.paper_id
            and digests.question = analyses.question
    left join texts_of_their_dates as texts
        on
            digests.date = texts.date
            and digests.paper_id = texts.paper_id
    where
        digests.date >= coalesce(cast($since as date), digests.date)
        and (
            digests.origin in ('made', 'imported')
            or (digests.origin = 'sample' and cast($is_sample as boolean))
        )
),

-- a text that is not stored is looked for like one that was not there
articles_by_what_they_lack as (
    select
        *,
        is_recent_abstract
        and coalesce(reason, 'not_stored') not in ('ok', 'not_wanted') as is_missed,
        is_recent_abstract and coalesce(reason = 'ok', false) as is_outdated,
    from articles_published
)

select
    profile,
    date,
    paper_id,
    style,
    language,
    origin,
    is_pending,
    is_missed,
    is_outdated,
from articles_by_what_they_lack
where is_pending or is_missed or is_outdated
order by date asc, profile asc, position asc
