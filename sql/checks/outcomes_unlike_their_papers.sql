-- Digests whose outcome is not what became of their papers and sources.
-- grain:  profile, date
-- reads:  marts.editions
-- severity: fail
--
-- profile          whose digest
-- date             date of the list
-- outcome          as stored
-- papers           papers featured, count
-- pending          of these, still waiting for a model, count
-- listed           papers all sources listed, count
-- missing_sources  sources that did not answer
select
    profile,
    date,
    outcome,
    papers,
    pending,
    listed,
    missing_sources,
from marts.editions
where
    outcome is distinct from case
        when pending > 0 or len(coalesce(missing_sources, [])) > 0 then 'partial'
        when papers > 0 or listed > 0 then 'complete'
        else 'empty'
    end
order by profile, date
