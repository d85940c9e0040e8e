# syntax=docker/dockerfile:1
# docker build -t hebbstream .
# docker build -t hebbstream:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 --build-arg ORT=gpu --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" hebbstream learn video.mp4 --preset video --width 48
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/hebbstream
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/hebbstream/bin/pip install --no-cache-dir torch --index-url "${TORCH_INDEX}"
ARG ORT=cpu
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY hebbstream hebbstream
COPY adapters adapters
COPY export export
RUN /opt/hebbstream/bin/pip install --no-cache-dir ".[plot,images,${ORT}]"

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --no-create-home --uid 10001 hebbstream \
 && mkdir /data \
 && chown hebbstream /data
COPY --from=build /opt/hebbstream /opt/hebbstream
ENV PATH=/opt/hebbstream/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001
WORKDIR /data
ENTRYPOINT ["hebbstream"]
CMD ["info"]
