-- Papers found by words in title, abstract, authors and analyses, the best match first.
-- grain:  paper_id
-- reads:  search.terms, search.postings, search.positions, search.superseded,
--         search.totals, search.documents, staging.digests
-- params: q, n = 20, profile = any, since = 1900-01-01, until = 9999-12-31
--
-- paper_id         arXiv identifier without version
-- rank             1 is the best
-- score            BM25, times the share of the words that the paper has
-- title            one line
-- first_listed_on  earliest date it was listed for or announced
-- featured         digests that featured it, profile and date each; null without any
--
-- BM25 as in Robertson and Zaragoza, The Probabilistic Relevance Framework (2009),
-- https://doi.org/10.1561/1500000019, with k1 = 1.2 and b = 0.75; the logarithm is
-- Lucene's, which is never negative. "..." must occur as a phrase, -word or -"..." must
-- not.
with clauses as (
    select
        unnest(regexp_extract_all(asked, '-?"[^"]*"|[^\s"]+')) as clause,
        generate_subscripts(
            regexp_extract_all(asked, '-?"[^"]*"|[^\s"]+'), 1
        ) as number,
    from (select translate(left($q, 1000), '“”', '""') as asked,) as question
),

clause_words as (
    select
        number,
        starts_with(clause, '-') as is_excluded,
        contains(clause, '"') as is_phrase,
        unnest(words(clause)) as word,
        generate_subscripts(words(clause), 1) as position,
    from clauses
),

asked_terms as (
    select
        number,
        is_excluded,
        is_phrase,
        position,
        stem(word) as term,
        count(*) over (partition by number) as terms_in_clause,
    from clause_words
    where not is_stop_word(word)
    order by number asc, position asc
    limit 100
),

-- the terms' own counts, less documents that count no more: mostly none, and then
-- no posting is read for it
documents_lost as (
    select
        postings.term,
        count(*) as documents,
    from search.postings as postings
    semi join search.superseded as superseded on postings.doc = superseded.doc
    semi join asked_terms on postings.term = asked_terms.term
    group by postings.term
),

documents_with_term as (
    select
        terms.term,
        sum(terms.documents) - coalesce(any_value(documents_lost.documents), 0)
            as documents,
    from search.terms as terms
    semi join asked_terms on terms.term = asked_terms.term
    left join documents_lost on terms.term = documents_lost.term
    group by terms.term
),

weights as (
    select
        term,
        ln(
            1
            + ((select documents, from search.totals) - documents + 0.5)
            / (documents + 0.5)
        ) as weight,
    from documents_with_term
    where documents > 0
),

sought as (
    select distinct
        asked_terms.term,
        coalesce(weights.weight, 0) as weight,
    from asked_terms
    left join weights on asked_terms.term = weights.term
    where not asked_terms.is_excluded
),

average as (
    select length / documents as length,
    from search.totals
),

scored as (
    select
        postings.doc,
        count(*) * sum(cast(
            1e6 * sought.weight * 2.2 * postings.frequency
            / (postings.frequency + 0.3 + 0.9 * postings.length / average.length)
            as bigint
        )) as points,
    from search.postings as postings
    inner join sought on postings.term = sought.term
    anti join search.superseded as superseded on postings.doc = superseded.doc
    cross join average
    group by postings.doc
),

phrase_terms as (
    select
        asked_terms.*,
        row_number() over (
            partition by asked_terms.number
            order by coalesce(weights.weight, 99) desc, asked_terms.position asc
        ) = 1 as is_rarest,
    from asked_terms
    left join weights on asked_terms.term = weights.term
    where asked_terms.is_phrase or asked_terms.is_excluded
),

phrase_starts as (
    select
        phrase_terms.number,
        phrase_terms.terms_in_clause,
        positions.doc,
        positions.position - phrase_terms.position as start,
    from search.positions as positions
    inner join phrase_terms on positions.term = phrase_terms.term
    where phrase_terms.is_rarest
),

phrase_followers as (
    select
        phrase_terms.number,
        positions.doc,
        positions.position - phrase_terms.position as start,
    from search.positions as positions
    inner join phrase_terms on positions.term = phrase_terms.term
    where not phrase_terms.is_rarest
),

phrases_found as (
    select
        number,
        doc,
    from phrase_starts
    where terms_in_clause = 1
    union
    select
        starts.number,
        starts.doc,
    from phrase_followers as followers
    inner join phrase_starts as starts
        on
            followers.doc = starts.doc
            and followers.start = starts.start
            and followers.number = starts.number
    group by starts.number, starts.doc, starts.start
    having count(*) = any_value(starts.terms_in_clause) - 1
),

clauses_missing as (
    select
        required.number,
        scored.doc,
    from (
        select distinct number,
        from phrase_terms
        where not is_excluded
    ) as required
    cross join scored
    anti join phrases_found
        on
            required.number = phrases_found.number
            and scored.doc = phrases_found.doc
),

clauses_met as (
    select
        scored.doc,
        scored.points,
    from scored
    anti join clauses_missing on scored.doc = clauses_missing.doc
    anti join (
        select phrases_found.doc,
        from phrases_found
        inner join phrase_terms on phrases_found.number = phrase_terms.number
        where phrase_terms.is_excluded
    ) as excluded on scored.doc = excluded.doc
),

wanted_documents as (
    select doc,
    from search.documents
    where
        first_listed_on between cast($since as date) and cast($until as date)
        and (
            $profile = 'any'
            or paper_id in (
                select paper_id,
                from staging.digests
                where profile = $profile
            )
        )
),

-- one of the two is known to be empty before it is read
candidates as (
    select
        doc,
        points,
    from clauses_met
    where
        $profile = 'any'
        and cast($since as date) <= date '1900-01-01'
        and cast($until as date) >= date '9999-12-31'
    union all
    select
        clauses_met.doc,
        clauses_met.points,
    from clauses_met
    semi join wanted_documents on clauses_met.doc = wanted_documents.doc
    where
        not (
            $profile = 'any'
            and cast($since as date) <= date '1900-01-01'
            and cast($until as date) >= date '9999-12-31'
        )
),

last_place as (
    select list_min(max(points, greatest(cast($n as integer), 1))) as points,
    from candidates
),

-- the limit tells DuckDB that they are few: it then looks up their documents instead of
-- holding all; more equals than that at the end of the list come by number
best_candidates as (
    select
        candidates.doc,
        candidates.points,
    from candidates
    inner join last_place on candidates.points >= last_place.points
    order by candidates.points desc, candidates.doc asc
    limit 2000
),

best as (
    select
        row_number() over (
            order by found.points desc, documents.paper_id desc
        ) as rank,
        round(found.points / 1e6 / (select count(*), from sought), 3) as score,
        documents.paper_id,
        documents.title,
        documents.first_listed_on,
    from best_candidates as found
    inner join search.documents as documents on found.doc = documents.doc
),

featured as (
    select
        paper_id,
        list(profile || ' ' || date order by date asc, profile asc) as featured,
    from staging.digests
    where paper_id in (select paper_id, from best)
    group by paper_id
)

select
    best.paper_id,
    best.rank,
    best.score,
    best.title,
    best.first_listed_on,
    featured.featured,
from best
left join featured on best.paper_id = featured.paper_id
where best.rank <= cast($n as integer)
order by best.rank
