-- What language models were asked and paid for.
-- grain:  date, model, style
-- reads:  staging.answers
--
-- date               UTC day of the request
-- model              litellm's name of the model
-- style              report style that asked
-- requests           answers stored, count
-- requests_unpriced  of these, those whose price is unknown
-- refusals           of these, those that gave no text
-- prompt_tokens      count
-- completion_tokens  count
-- cost_usd           US dollars of the priced ones; null where no price is known
-- latency_seconds    from request to answer, median
select
    cast(asked_at at time zone 'UTC' as date) as date,
    model,
    style,
    count(*) as requests,
    count(*) filter (where cost_usd is null) as requests_unpriced,
    count(*) filter (where fault is not null) as refusals,
    cast(sum(prompt_tokens) as bigint) as prompt_tokens,
    cast(sum(completion_tokens) as bigint) as completion_tokens,
    -- floats summed by several threads differ in their last digit
    round(sum(cost_usd), 9) as cost_usd,
    median(latency_seconds) as latency_seconds,
from staging.answers
group by all
