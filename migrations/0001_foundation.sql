-- The foundation: people, clients, sessions, consents, grants, keys, failed sign-ins, audit.

CREATE TABLE users (
    id                 TEXT    NOT NULL PRIMARY KEY,
    email              TEXT    NOT NULL,
    email_canonical    TEXT    NOT NULL UNIQUE,
    email_verified     BOOLEAN NOT NULL,
    username           TEXT,
    username_canonical TEXT    UNIQUE,
    name               TEXT,
    locale             TEXT,
    -- An object: further standard claims.
    claims             TEXT    NOT NULL,
    -- An array; `owner` says whether it holds the role of that name.
    roles              TEXT    NOT NULL,
    owner              BOOLEAN NOT NULL,
    password_hash      TEXT,
    demo               BOOLEAN NOT NULL,
    disabled_at        BIGINT,
    created_at         BIGINT  NOT NULL,
    updated_at         BIGINT  NOT NULL
);
CREATE INDEX users_owners ON users (id) WHERE owner;
CREATE INDEX users_demo ON users (id) WHERE demo;

CREATE TABLE clients (
    client_id   TEXT    NOT NULL PRIMARY KEY,
    -- An object: RFC 7591 members and Portero's own.
    metadata    TEXT    NOT NULL,
    -- An array of digests with their times.
    secrets     TEXT    NOT NULL,
    demo        BOOLEAN NOT NULL,
    disabled_at BIGINT,
    created_at  BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL
);
CREATE INDEX clients_demo ON clients (client_id) WHERE demo;

-- The web origins of their redirect URIs, for cross-origin answers.
CREATE TABLE client_origins (
    origin    TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    PRIMARY KEY (origin, client_id)
);
CREATE INDEX client_origins_client ON client_origins (client_id);

CREATE TABLE sessions (
    id           TEXT   NOT NULL PRIMARY KEY,
    digest       TEXT   NOT NULL UNIQUE,
    user_id      TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    auth_time    BIGINT NOT NULL,
    acr          TEXT   NOT NULL,
    amr          TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT,
    address      TEXT,
    user_agent   TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE consents (
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id  TEXT   NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    scope      TEXT   NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX consents_client ON consents (client_id);

CREATE TABLE grants (
    id          TEXT    NOT NULL PRIMARY KEY,
    -- The code that opened it; the unique digest is what makes a second redemption a replay on every replica.
    code_digest TEXT    UNIQUE,
    -- No reference: the grants of a deleted client stay, revoked, and so keep answering replays.
    client_id   TEXT    NOT NULL,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- No reference either: a grant whose session is gone must stay one that had a session.
    session_id  TEXT,
    offline     BOOLEAN NOT NULL,
    scope       TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    claims      TEXT,
    nonce       TEXT,
    auth_time   BIGINT  NOT NULL,
    acr         TEXT    NOT NULL,
    amr         TEXT    NOT NULL,
    generation  BIGINT  NOT NULL,
    rotated_at  BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL,
    revoked_at  BIGINT
);
CREATE INDEX grants_user ON grants (user_id, client_id);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_session ON grants (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX grants_expiry ON grants (expires_at);

-- Access tokens revoked one by one, until they would have expired.
CREATE TABLE revoked_tokens (
    jti        TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

CREATE TABLE signing_keys (
    kid        TEXT   NOT NULL PRIMARY KEY,
    alg        TEXT   NOT NULL,
    sealed     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    signs_from BIGINT NOT NULL,
    retired_at BIGINT,
    removed_at BIGINT
);

-- Failed sign-ins under the digest of an identifier. `at1` to `at10` are the last ten, newest first, 0 where there is none: with
-- them, "ten in fifteen minutes" is exact and still one statement.
CREATE TABLE attempts (
    digest       TEXT   NOT NULL PRIMARY KEY,
    at1          BIGINT NOT NULL,
    at2          BIGINT NOT NULL,
    at3          BIGINT NOT NULL,
    at4          BIGINT NOT NULL,
    at5          BIGINT NOT NULL,
    at6          BIGINT NOT NULL,
    at7          BIGINT NOT NULL,
    at8          BIGINT NOT NULL,
    at9          BIGINT NOT NULL,
    at10         BIGINT NOT NULL,
    -- How many locks in a row, and when the last one ends or ended; 0 for never.
    locks        BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
);
CREATE INDEX attempts_age ON attempts (at1);

-- Append only, but for the count of a refusal that repeats within its minute; `fold` is what makes two refusals the same.
CREATE TABLE audit (
    id         IDENTITY,
    at         BIGINT NOT NULL,
    act        TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    subject    TEXT,
    client_id  TEXT,
    address    TEXT,
    request_id TEXT   NOT NULL,
    result     TEXT   NOT NULL,
    reason     TEXT,
    count      BIGINT NOT NULL,
    fold       TEXT   UNIQUE
);

-- Counters of what replicas keep in memory (`clients`, `keys`). A row is also the lock under which its things change;
-- `owners` is a lock alone.
CREATE TABLE revisions (
    name     TEXT   NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (name, revision) VALUES ('clients', 0), ('keys', 0), ('owners', 0);

-- Single values, such as the fingerprint of the master key.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
