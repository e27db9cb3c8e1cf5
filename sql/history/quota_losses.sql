-- What quotas, budgets and faults still hold back: papers waiting, by month and reason.
-- grain:  profile, month, pending_reason
-- reads:  staging.digests, staging.analyses
--
-- profile         whose digests
-- month           its first day
-- pending_reason  kind of fault: rate, daily, budget …
-- papers          published without an analysis, count
-- share           of the papers that the profile published that month, 0 to 1
-- origins         of their digests: made, sample or imported
with papers_published as (
    select
        digests.profile,
        digests.date,
        digests.origin,
        digests.status,
        coalesce(analyses.pending_reason, 'unknown') as pending_reason,
        count(*) over (
            partition by digests.profile, date_trunc('month', digests.date)
        ) as published,
    from staging.digests as digests
    left join staging.analyses as analyses
        on
            digests.style = analyses.style
            and digests.paper_id = analyses.paper_id
            and digests.question = analyses.question
)

select
    profile,
    cast(date_trunc('month', date) as date) as month,
    pending_reason,
    count(*) as papers,
    round(count(*) / any_value(published), 4) as share,
    list(distinct origin order by origin asc) as origins,
from papers_published
where status = 'pending'
group by all
order by month desc, profile asc, pending_reason asc
