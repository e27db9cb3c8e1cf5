-- What ran, when, and what became of it: a run that had digests made in runs of their
-- own is as good as the worst of them, and counts nothing, so that sums count once.
-- grain:  run_id
-- reads:  lake.runs
--
-- run_id             flow run
-- date               UTC day it started
-- flow               flow's name
-- name               flow run's name
-- profile            whose digest; null where the run made none itself, and so the next
-- digest_date        date of the list
-- outcome            complete, empty, partial or failed
-- message            what failed or which list is thin, else null
-- started_at         UTC
-- ended_at           UTC
-- duration_seconds   wall time
-- listed             papers all sources listed; null where it failed, and so the next
-- scanned            papers scored
-- selected           papers in the digest
-- pending            papers still waiting for a model
-- prompt_tokens      of what the run asked for, count
-- completion_tokens  of what the run asked for, count
-- cost_usd           of what the run asked for, US dollars; null: a price is unknown
select
    run_id,
    date,
    flow,
    name,
    profile,
    digest_date,
    outcome,
    message,
    started_at,
    ended_at,
    duration_seconds,
    listed,
    scanned,
    selected,
    pending,
    prompt_tokens,
    completion_tokens,
    cost_usd,
from lake.runs
qualify row_number() over (partition by run_id order by ended_at desc) = 1
