# Stands in for nats:2.10-alpine where no registry of images can be reached, from Debian's package.
FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nats-server wget \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /data
VOLUME /data
CMD ["nats-server", "--config", "/etc/nats/nats.conf"]
