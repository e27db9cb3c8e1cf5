-- What was published: every paper of every digest; a day published empty has no row.
-- grain:  profile, date, paper_id
-- reads:  lake.digests
--
-- profile        whose digest
-- date           date of the list
-- paper_id       arXiv identifier without version
-- position       place in the digest, 1 is the top
-- score          0 to 100
-- reason         the score's components in words
-- title          as published
-- sources        that listed it; null in digests of before this was kept
-- style          report style
-- language       language of the page
-- question       content key of the analysis used
-- status         of that analysis: complete or pending
-- outcome        of the whole digest
-- origin         made, sample or imported
-- report_sha256  of the Markdown page, whole
-- run_id         flow run that published this state of it
-- published_at   UTC
select
    profile,
    date,
    paper_id,
    position,
    score,
    reason,
    title,
    sources,
    style,
    language,
    question,
    status,
    outcome,
    origin,
    report_sha256,
    run_id,
    published_at,
from lake.digests
where paper_id is not null
