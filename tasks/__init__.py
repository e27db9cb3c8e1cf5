"""How Prefect runs each step: names, concurrency, artifacts. What a step does is below."""

import logging

from broadsheet.redaction import redact_logs

redact_logs()  # Prefect sends every line to its server, and keeps it there
_logger = logging.getLogger("broadsheet")
if _logger.level == logging.NOTSET:
    _logger.setLevel(logging.INFO)  # Prefect forwards an extra logger's lines but leaves its level
