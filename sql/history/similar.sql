-- Papers similar to one: those with most of the words that are telling for its title
-- and abstract, the most similar first.
-- grain:  paper_id
-- reads:  lake.listings, lake.archive, search.terms, search.totals,
--         search.postings, search.superseded, search.documents
-- params: paper_id, n = 20
--
-- paper_id         arXiv identifier without version
-- rank             1 is the most similar
-- score            BM25 of the 12 words, each by how often the paper has it
-- title            one line
-- first_listed_on  earliest date it was listed for or announced
with listed as (
    select
        title,
        abstract,
        fetched_at,
    from lake.listings
    where paper_id = $paper_id
    union all
    select
        title,
        abstract,
        fetched_at,
    from lake.archive
    where paper_id = $paper_id
),

newest as (
    select
        concat_ws(
            chr(10), arg_max(title, fetched_at), arg_max(abstract, fetched_at)
        ) as text,
    from listed
),

own_words as (
    select unnest(words(text)) as word,
    from newest
),

own_terms as (
    select
        stem(word) as term,
        count(*) as frequency,
    from own_words
    where not is_stop_word(word)
    group by all
),

known_terms as (
    select
        term,
        sum(documents) as documents,
    from search.terms
    where term in (select term, from own_terms)
    group by term
),

telling_terms as (
    select
        own_terms.term,
        own_terms.frequency * ln(
            1
            + ((select documents, from search.totals) - known_terms.documents + 0.5)
            / (known_terms.documents + 0.5)
        ) as weight,
    from own_terms
    inner join known_terms on own_terms.term = known_terms.term
    where known_terms.documents > 1
    order by weight desc, own_terms.term asc
    limit 12
),

average as (
    select length / documents as length,
    from search.totals
),

scored as (
    select
        postings.doc,
        sum(cast(
            1e6 * telling_terms.weight * 2.2 * postings.frequency
            / (postings.frequency + 0.3 + 0.9 * postings.length / average.length)
            as bigint
        )) as points,
    from search.postings as postings
    inner join telling_terms on postings.term = telling_terms.term
    anti join search.superseded as superseded on postings.doc = superseded.doc
    cross join average
    group by postings.doc
),

last_place as (
    select list_min(max(points, greatest(cast($n as integer), 0) + 1)) as points,
    from scored
),

-- the limit tells DuckDB that they are few: it then looks up their documents instead of
-- holding all
best_scored as (
    select
        scored.doc,
        scored.points,
    from scored
    inner join last_place on scored.points >= last_place.points
    order by scored.points desc, scored.doc asc
    limit 2000
),

best as (
    select
        row_number() over (
            order by found.points desc, documents.paper_id desc
        ) as rank,
        round(found.points / 1e6, 3) as score,
        documents.paper_id,
        documents.title,
        documents.first_listed_on,
    from best_scored as found
    inner join search.documents as documents on found.doc = documents.doc
    where documents.paper_id <> $paper_id
)

select
    paper_id,
    rank,
    score,
    title,
    first_listed_on,
from best
where rank <= cast($n as integer)
order by rank
