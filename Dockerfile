# The image of Portero: built on a Debian release whose OpenSSL is 3.5 LTS, run on the same one, as nobody in particular.
#   docker build -t portero --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
# In production it needs PORTERO_ISSUER and PORTERO_MASTER_KEY_FILE, and PORTERO_DATABASE_URL_FILE unless a volume at /data
# holds the SQLite database. The root file system may be read-only. docker-compose.yml shows a whole deployment.

# Versions of Debian's packages are not pinned: a pinned one disappears from the mirrors with the next security fix.
FROM rust:1.95-slim-trixie AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libssl-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# .dockerignore lets through what the build reads, and nothing else.
COPY . .
# The commit, for `portero --version` and the metric portero_build_info: there is no .git here to ask.
ARG REVISION
# Each platform has a target folder of its own: two of them built at once would install each other's binary.
ARG TARGETPLATFORM
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=portero-target-$TARGETPLATFORM,sharing=locked \
    if [ -n "$REVISION" ]; then export PORTERO_COMMIT="$REVISION"; fi \
 && cargo build --release --locked \
 && install -D -m 0755 target/release/portero /out/usr/local/bin/portero \
 && install -d -m 0700 -o 65532 -g 65532 /out/data

FROM debian:trixie-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Portero" \
      org.opencontainers.image.description="An OAuth 2 and OpenID Connect authorization server in one binary" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3t64 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
ENV PORTERO_ENV=production \
    PORTERO_LISTEN=0.0.0.0:8080 \
    PORTERO_MANAGEMENT_LISTEN=0.0.0.0:9090
# Relative paths of the defaults start here: data/portero.db is /data/portero.db.
WORKDIR /
VOLUME ["/data"]
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Its own time-outs, two seconds each to connect and to read, end before this one does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["portero", "healthcheck"]
ENTRYPOINT ["portero"]
CMD ["serve"]
