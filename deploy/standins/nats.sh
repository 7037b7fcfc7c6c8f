# Debian's 2.9 refuses settings that 2.10 brought: it is started without them, in a folder as deep as the original's.
set -eu
mkdir -p /run/nats
sed '/^[[:space:]]*sync_interval/d' /etc/nats/nats.conf > /run/nats/nats.conf
exec nats-server --config /run/nats/nats.conf
