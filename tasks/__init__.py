"""How Prefect runs each step: names, concurrency, artifacts. What a step does is below."""
