# Runs of a Docker or Kubernetes work pool; docs/schedule.md. Untested.
FROM python:3.12-slim
WORKDIR /opt/broadsheet
# the pull step of prefect.yaml reads it, and no shell sets it here
ENV PWD=/opt/broadsheet
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY . ./
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
