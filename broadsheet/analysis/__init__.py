"""From a paper's text to an analysis: prompt → question → answer → validated sections.

prompt      the style's question about one paper, and its content key
client      one request to one language model, through litellm
answers     the store of raw answers: what was paid for is kept
reading     a raw answer → the style's sections, or why it is not usable
extractive  the paper's own sentences: no model, always there
engine      the models in order, then `pending`
"""
