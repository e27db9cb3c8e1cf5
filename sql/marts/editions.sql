-- Every published digest as a whole, empty ones too.
-- grain:  profile, date
-- reads:  lake.digests
--
-- profile          whose digest
-- date             date of the list
-- outcome          complete, empty or partial
-- papers           papers featured, count
-- pending          of these, still waiting for a model, count
-- listed           papers all sources listed, count
-- scanned          papers scored, count
-- missing_sources  sources that did not answer
-- style            report style
-- origin           made, sample or imported
-- report_sha256    of the Markdown page, whole; null where it is not known
-- published_at     UTC
select
    profile,
    date,
    any_value(outcome) as outcome,
    count(paper_id) as papers,
    count(*) filter (where status = 'pending') as pending,
    any_value(listed) as listed,
    any_value(scanned) as scanned,
    any_value(missing_sources) as missing_sources,
    any_value(style) as style,
    any_value(origin) as origin,
    any_value(report_sha256) as report_sha256,
    max(published_at) as published_at,
from lake.digests
group by profile, date
