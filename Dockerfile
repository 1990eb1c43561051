# airbyte/source-sage. Two stages: the first installs the locked packages, the second holds nothing else.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.1@sha256:a268b44c733ae699a60f5fbc06a324945dba98945c6e2ab7f8609f2f895b0d28

FROM ${BASE_IMAGE} AS builder
USER root
WORKDIR /build
COPY requirements/run.txt pyproject.toml README.md LICENSE ./
COPY source_sage source_sage
RUN python -m venv /opt/source-sage \
    && /opt/source-sage/bin/pip install --no-cache-dir --require-hashes -r run.txt \
    && /opt/source-sage/bin/pip install --no-cache-dir --no-deps . \
    && /opt/source-sage/bin/pip uninstall --yes pip

FROM ${BASE_IMAGE}
COPY --from=builder /opt/source-sage /opt/source-sage
WORKDIR /airbyte/integration_code
USER airbyte
ENV AIRBYTE_ENTRYPOINT="/opt/source-sage/bin/source-sage"
ENTRYPOINT ["/opt/source-sage/bin/source-sage"]
LABEL org.opencontainers.image.title="airbyte/source-sage" \
      org.opencontainers.image.description="Airbyte source for Sage Accounting" \
      org.opencontainers.image.licenses="MIT" \
      io.airbyte.name="airbyte/source-sage" \
      io.airbyte.version="0.1.0"
