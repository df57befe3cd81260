# The service without a model, which comes from a volume: see docs/server.md.
#     docker build --tag geograph-types .
FROM debian:trixie-slim AS base
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM base AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
ARG EXTRAS=cpu,serve,heif
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY runtime runtime
COPY trainer trainer
COPY export export
RUN python3 -m venv /opt/geograph-types \
 && /opt/geograph-types/bin/pip install --no-cache-dir ".[$EXTRAS]"
# What the service never imports: a tenth of the image.
RUN cd /opt/geograph-types/lib/python3*/site-packages \
 && rm -rf pip pip-* onnxruntime/transformers onnxruntime/tools onnxruntime/quantization \
 && find . -type d -name tests -prune -exec rm -rf {} +

FROM base
COPY --from=build /opt/geograph-types /opt/geograph-types
ENV PATH=/opt/geograph-types/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]
ENTRYPOINT ["geograph-types"]
CMD ["serve", "--bundle", "/model", "--host", "0.0.0.0", "--token-file", "/run/secrets/token"]
