-- What language models were asked and paid for, by day and model, newest day first.
-- grain:  date, model
-- reads:  staging.answers
--
-- date               UTC day of the request
-- model              litellm's name of the model
-- requests           answers stored, count
-- requests_unpriced  of these, those whose price is unknown
-- prompt_tokens      count
-- completion_tokens  count
-- cost_usd           US dollars of the others; null where no price is known
select
    (asked_at at time zone 'UTC')::date as date,
    model,
    count(*) as requests,
    count(*) filter (where cost_usd is null) as requests_unpriced,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(cost_usd) as cost_usd,
from staging.answers
group by all
order by date desc, model asc
