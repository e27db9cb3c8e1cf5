-- Every occurrence of a term in the drafts; stop words have a position and no row.
-- grain:  term, doc, position
-- reads:  incoming.drafts
--
-- term      a stem
-- doc       number of the document
-- position  place in the document, 1 is the first; the title and the body are apart
-- weight    3 in the title, else 1
-- length    of the document, words, each by its weight
with split as (
    select
        doc,
        words(title) as title_words,
        words(body) as body_words,
    from incoming.drafts
),

joined_words as (
    select
        doc,
        len(title_words) as in_title,
        3 * len(title_words) + len(body_words) as length,
        list_concat(title_words, [''], body_words) as all_words,
    from split
),

occurrences as (
    select
        doc,
        in_title,
        length,
        unnest(all_words) as word,
        generate_subscripts(all_words, 1) as position,
    from joined_words
)

select
    stem(word) as term,
    doc,
    cast(position as integer) as position,
    cast(case when position <= in_title then 3 else 1 end as utinyint) as weight,
    cast(length as integer) as length,
from occurrences
where not is_stop_word(word)
order by term asc, doc asc, position asc
