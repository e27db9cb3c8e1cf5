"""Five questions to the history of the digests: a marimo notebook, and a script.

    pip install 'broadsheet[notebook]'
    marimo edit docs/notebook.py     # read, run and change it in a browser
    python docs/notebook.py          # or print the answers

It reads the history that the settings name (`BROADSHEET_HOME`) and writes nothing.
"""

import marimo

app = marimo.App(app_title="Five questions to the history")


@app.cell
def _():
    import marimo as mo

    import broadsheet
    from broadsheet import asking, charts
    from broadsheet.config import load_settings
    from broadsheet.errors import UsageError

    return UsageError, asking, broadsheet, charts, load_settings, mo


@app.cell
def _(broadsheet, mo):
    # The whole history as a DuckDB connection: its views are those of docs/data-dictionary.md.
    con = broadsheet.connect()
    first, last, papers = con.execute(
        "select min(first_listed_on), max(last_listed_on), count(*) from papers"
    ).fetchone()
    digests = con.execute("select count(*) from editions").fetchone()[0]
    known = (
        f"This history has **{papers:,}** papers listed from {first} to {last}, "
        f"and **{digests:,}** digests."
        if papers
        else "This history has no papers yet: `broadsheet run --sample` makes a first digest."
    )
    mo.md(f"# Five questions to the history\n\n{known}")
    return (known,)


@app.cell
def _(UsageError, asking, charts, load_settings, mo):
    settings = load_settings()

    def ask(name, **params):
        """The named question's rows as a pandas frame: what `broadsheet sql NAME` answers."""
        return asking.answer(asking.find(name), params, settings).to_pandas()

    def picture(name, **params):
        """The named question drawn, or why it cannot be: what `broadsheet chart NAME` draws."""
        rows = asking.answer(charts.question(name), params, settings)
        try:
            return mo.Html(charts.draw(name, rows).decode())
        except UsageError as error:
            return mo.md(f"*{error}; {error.remedy}.*")

    return ask, picture


@app.cell
def _(ask, mo, picture):
    rising = ask("trends").head(10)
    mo.vstack(
        [
            mo.md("""
## 1. Which topics are rising?

Their share of the newest weeks' papers, less that of the weeks before. A change of 0.05 is
five more papers in a hundred. The picture has the most frequent topics week by week.
"""),
            mo.plain(rising),
            picture("topics_by_week"),
        ]
    )
    return (rising,)


@app.cell
def _(ask, mo):
    recurring = ask("recurring_authors").head(10)
    mo.vstack(
        [
            mo.md("""
## 2. Who keeps appearing?

Authors by the papers that were listed, and how many of these a digest featured. Names are as the
sources write them: two people of one name are one here.
"""),
            mo.plain(recurring),
        ]
    )
    return (recurring,)


@app.cell
def _(ask, mo):
    missed = ask("missed").head(10)
    mo.vstack(
        [
            mo.md("""
## 3. What was missed?

Papers that a digest left out and that readers then voted to the top of their day. `upvotes_then`
is what the scoring could know; many rows with few upvotes then and many now are nobody's fault.
"""),
            mo.plain(missed),
        ]
    )
    return (missed,)


@app.cell
def _(ask, mo, picture):
    agreement = ask("agreement")
    mo.vstack(
        [
            mo.md("""
## 4. Do the scores agree with the upvotes?

A rank correlation within the days: 1 is the same order, 0 none. `score_correlation` counts upvotes
twice, as popularity is a part of the score; `interest_correlation` is the part that knows none.
"""),
            mo.plain(agreement),
            picture("score_and_upvotes"),
        ]
    )
    return (agreement,)


@app.cell
def _(ask, mo, picture):
    costs = ask("costs")
    mo.vstack(
        [
            mo.md("""
## 5. What did it cost?

Every answer of a language model is kept with its tokens and, where its price is known, its cost.
"""),
            mo.plain(costs),
            picture("costs"),
        ]
    )
    return (costs,)


@app.cell
def _(agreement, costs, known, missed, mo, recurring, rising):
    def told():
        """The answers as text, for where there is no page to show them on."""
        questions = {
            "Which topics are rising?": rising,
            "Who keeps appearing?": recurring,
            "What was missed?": missed,
            "Do the scores agree with the upvotes?": agreement,
            "What did it cost?": costs,
        }
        parts = [known.replace("**", "")]
        for question, rows in questions.items():
            answer = rows.to_string(index=False, max_colwidth=60) if len(rows) else "nothing yet"
            parts.append(f"{question}\n\n{answer}")
        return "\n\n\n".join(parts)

    if mo.app_meta().mode == "script":
        print(told())
    return


if __name__ == "__main__":
    app.run()
