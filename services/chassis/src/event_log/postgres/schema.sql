-- One service's database, as its administrator makes it. The service's role owns none of these tables. Times are
-- microseconds since 1970, UTC, except for the lease, which only this database's own clock measures.
--
-- Ready for partitions: events are asked for by ranges of position or by (stream_no, version), no foreign key refers to
-- them, and nothing but append writes here. When one table grows too large, an administrator renames it, makes a
-- partitioned `log.event` BY RANGE (position) with the same columns in the same order, triggers and rights, and attaches
-- the old table as the range below the head with NOT VALID constraints checked beforehand. Its unique keys become
-- (position) and, within each partition, (stream_no, version): the locked version in `log.stream` is what keeps versions
-- apart.

CREATE SCHEMA log;

CREATE TABLE log.schema (version bigint NOT NULL);

-- One row, locked by each append and never grown: with room on its page its new version needs no new page.
CREATE TABLE log.log_head (
    id bigint PRIMARY KEY CHECK (id = 1),
    log text NOT NULL,
    log_id text NOT NULL,
    position bigint NOT NULL,
    chain bytea NOT NULL,
    renewed_from text
) WITH (fillfactor = 10);

CREATE TABLE log.stream (
    stream_no bigint PRIMARY KEY,
    category text NOT NULL,
    stream_id text NOT NULL,
    version bigint NOT NULL,
    UNIQUE (category, stream_id)
) WITH (fillfactor = 70);

CREATE TABLE log.event (
    position bigint PRIMARY KEY,
    stream_no bigint NOT NULL,
    version bigint NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    schema_version bigint NOT NULL,
    payload bytea NOT NULL,
    command_id text NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    actor text NOT NULL,
    office text NOT NULL,
    subject_id text,
    traceparent text NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    chain bytea NOT NULL,
    UNIQUE (stream_no, version)
);

CREATE INDEX event_subject ON log.event (subject_id) WHERE subject_id IS NOT NULL;

-- What has happened has happened, for the tables' owner too. The chain finds whoever goes around these.
CREATE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or deleted';
END $$;

CREATE TRIGGER event_never_changes BEFORE UPDATE OR DELETE ON log.event
    FOR EACH ROW EXECUTE FUNCTION log.refuse();

CREATE TRIGGER event_never_goes BEFORE TRUNCATE ON log.event
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse();

CREATE TABLE log.command (
    command_id text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    reply bytea NOT NULL,
    recorded_at bigint NOT NULL
);

CREATE INDEX command_age ON log.command (recorded_at);

CREATE TABLE log.reservation (
    scope text NOT NULL,
    key bytea NOT NULL,
    stream_id text NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE SCHEMA replica;

-- Who writes. Renewed each second, so it has room on its page too.
CREATE TABLE replica.lease (
    id bigint PRIMARY KEY CHECK (id = 1),
    fence bigint NOT NULL,
    holder text NOT NULL,
    address text NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 10);

INSERT INTO replica.lease (id, fence, holder, address, expires_at) VALUES (1, 0, '', '', '-infinity');

CREATE SCHEMA reactions;

-- How far this service has reacted to other services' logs.
CREATE TABLE reactions.checkpoint (
    consumer text NOT NULL,
    source text NOT NULL,
    log_id text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (consumer, source)
) WITH (fillfactor = 50);
