-- Which text was read, month by month: the whole paper (html) or only its abstract.
-- grain:  month, style
-- reads:  staging.digests, staging.analyses
--
-- month            its first day
-- style            report style
-- papers           published, each digest counted, count
-- papers_html      of these, read from the full text, count
-- papers_abstract  of these, read from the abstract, count
-- html_share       papers_html of those whose source is known, 0 to 1
select
    cast(date_trunc('month', digests.date) as date) as month,
    digests.style,
    count(*) as papers,
    count(*) filter (where analyses.reading_source = 'html') as papers_html,
    count(*) filter (where analyses.reading_source = 'abstract') as papers_abstract,
    round(
        count(*) filter (where analyses.reading_source = 'html')
        / nullif(count(analyses.reading_source), 0), 4
    ) as html_share,
from staging.digests as digests
left join staging.analyses as analyses
    on
        digests.style = analyses.style
        and digests.paper_id = analyses.paper_id
        and digests.question = analyses.question
group by all
order by month asc, digests.style asc
