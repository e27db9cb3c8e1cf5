"""The web pages: a static site of the whole history, that needs no server and loads nothing else.

read      the history into values, once                       content
decide    which pages there are and what each shows           pages, extras
set       a page by its template, in its language             press, formulas, feeds
write     what changed, whole; remove what is gone            building, searching
"""
