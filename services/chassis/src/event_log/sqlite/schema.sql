-- One service's log. Times are microseconds since 1970, UTC.

CREATE TABLE log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log TEXT NOT NULL,
    log_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    chain BLOB NOT NULL
) STRICT;

CREATE TABLE stream (
    stream_no INTEGER PRIMARY KEY,
    category TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (category, stream_id)
) STRICT;

CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    stream_no INTEGER NOT NULL,
    version INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    payload BLOB NOT NULL,
    command_id TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    causation_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    office TEXT NOT NULL,
    subject_id TEXT,
    traceparent TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    chain BLOB NOT NULL,
    UNIQUE (stream_no, version)
) STRICT;

CREATE INDEX event_subject ON event (subject_id) WHERE subject_id IS NOT NULL;

-- What has happened has happened. The chain finds whoever goes around these.
CREATE TRIGGER event_never_changes BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER event_never_goes BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

CREATE TABLE command (
    command_id TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    reply BLOB NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

CREATE INDEX command_age ON command (recorded_at);

CREATE TABLE reservation (
    scope TEXT NOT NULL,
    key BLOB NOT NULL,
    stream_id TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
