-- Mails that wait to be sent.

CREATE TABLE outbox (
    id         TEXT   NOT NULL PRIMARY KEY,
    to_address TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    lang       TEXT   NOT NULL,
    -- What it says, sealed with the id as its name: links are secrets. Empty once it is sent or given up.
    sealed     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    -- When it is due: made, tried again, or the end of the lease of whoever sends it now.
    due_at     BIGINT NOT NULL,
    -- How often somebody took it to send it. Whoever did so last may say how it went.
    tries      BIGINT NOT NULL,
    sent_at    BIGINT,
    dead_at    BIGINT,
    -- Why the last try failed.
    reason     TEXT
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE sent_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_age ON outbox (created_at);
