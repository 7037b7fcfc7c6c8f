-- A service's keys of people, in a database of their own: it is backed up apart and for a short time, so that a destroyed
-- key does not come back with the rest. Times are microseconds since 1970, UTC.

CREATE TABLE public.schema (version bigint NOT NULL);

CREATE TABLE public.subject_key (
    subject_id text PRIMARY KEY,
    wrapped_key bytea,
    wrapping_key_id text NOT NULL,
    created_at bigint NOT NULL,
    destroyed_at bigint
);
