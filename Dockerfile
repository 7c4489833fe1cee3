FROM python:3.11-slim AS build
WORKDIR /build
# `tracing` has OpenTelemetry besides.
ARG REQUIREMENTS=run
COPY requirements/${REQUIREMENTS}.txt requirements.txt
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    && /venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home turnstone && install -d -o turnstone -m 0700 /data
COPY --from=build /venv /venv
WORKDIR /app
COPY LICENSE .
COPY shared shared
COPY api api
COPY workers workers
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app TURNSTONE_DATA_DIR=/data TURNSTONE_LOG_FORMAT=json
USER turnstone
EXPOSE 8000
ENTRYPOINT ["python", "-P", "-m", "shared.cli"]
CMD ["api", "--host", "0.0.0.0"]
