-- Papers that are not in the search index as they are now: their newest title and
-- abstract, authors, and what analyses say of them.
-- grain:  paper_id
-- reads:  lake.listings, lake.archive, lake.digests, lake.analyses,
--         search.documents, incoming.changed
-- params: first, beyond, last_doc
--
-- paper_id         arXiv identifier without version
-- doc              number of the document, above last_doc
-- title            one line
-- body             abstract, analyses and authors, a line each
-- first_listed_on  earliest date it was listed for or announced
-- content          of all these, a number
with listed as (
    select
        paper_id,
        title,
        abstract,
        authors,
        date,
        fetched_at,
    from lake.listings
    where paper_id >= $first and ($beyond is null or paper_id < $beyond)
    union all
    select
        paper_id,
        title,
        abstract,
        authors,
        date,
        fetched_at,
    from lake.archive
    where paper_id >= $first and ($beyond is null or paper_id < $beyond)
    union all
    -- an imported digest may be all that is known of a paper
    select
        paper_id,
        title,
        null as abstract,
        null as authors,
        date,
        timestamptz '1970-01-01 00:00:00+00' as fetched_at,
    from lake.digests
    where
        origin = 'imported'
        and paper_id >= $first
        and ($beyond is null or paper_id < $beyond)
),

papers as (
    select
        paper_id,
        coalesce(arg_max(title, fetched_at), '') as title,
        coalesce(arg_max(abstract, fetched_at), '') as abstract,
        coalesce(array_to_string(arg_max(authors, fetched_at), ', '), '') as authors,
        min(date) as first_listed_on,
    from listed
    where paper_id in (select paper_id, from incoming.changed)
    group by paper_id
),

analysed as (
    select distinct
        paper_id,
        json_extract(sections, '$.*') || json_extract(sections, '$.*[*]') as parts,
    from lake.analyses
    where
        status = 'complete'
        and paper_id >= $first
        and ($beyond is null or paper_id < $beyond)
        and json_valid(sections)
),

analyses as (
    select
        paper_id,
        string_agg(
            array_to_string(
                list_transform(
                    list_filter(parts, lambda part: json_type(part) = 'VARCHAR'),
                    lambda part: part ->> '$'
                ),
                chr(10)
            ),
            chr(10) order by parts::varchar
        ) as told,
    from analysed
    group by paper_id
),

texts as (
    select
        papers.paper_id,
        papers.title,
        concat_ws(chr(10), papers.abstract, analyses.told, papers.authors) as body,
        papers.first_listed_on,
    from papers
    left join analyses on papers.paper_id = analyses.paper_id
),

stamped as (
    select
        *,
        md5_number_lower(concat_ws(chr(10), title, body, first_listed_on)) as content,
    from texts
),

known as (
    select
        paper_id,
        content,
    from search.documents
    where paper_id >= $first and ($beyond is null or paper_id < $beyond)
)

select
    stamped.paper_id,
    cast(
        $last_doc + row_number() over (order by stamped.paper_id) as integer
    ) as doc,
    stamped.title,
    stamped.body,
    stamped.first_listed_on,
    stamped.content,
from stamped
anti join known
    on stamped.paper_id = known.paper_id and stamped.content = known.content
