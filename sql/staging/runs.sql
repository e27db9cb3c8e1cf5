-- What ran, when, and what became of it.
-- grain:  run_id
-- reads:  lake.runs
--
-- run_id             flow run
-- date               UTC day it started
-- flow               flow's name
-- name               flow run's name
-- profile            whose digest
-- digest_date        date of the list
-- outcome            complete, empty, partial or failed
-- message            what failed, else null
-- started_at         UTC
-- ended_at           UTC
-- duration_seconds   wall time
-- listed             papers all sources listed
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
