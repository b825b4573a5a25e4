-- Accounts: attributes of a deployment, ids of other systems, what a reset and a change of address hang from.

-- An object: members that the deployment keeps of a person.
ALTER TABLE users ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
-- An array of {source, id}, the same as the person's rows in external_ids: read with the person, without a join.
ALTER TABLE users ADD COLUMN external TEXT NOT NULL DEFAULT '[]';
-- Counts the changes of the profile; what If-Match compares.
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
-- Counts the changes of password and address; links that hang from either die with it.
ALTER TABLE users ADD COLUMN credential_revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN password_changed_at BIGINT;
-- The password opens nothing until it is replaced.
ALTER TABLE users ADD COLUMN reset_required BOOLEAN NOT NULL DEFAULT FALSE;
-- The name as it is searched: without accents, in small letters.
ALTER TABLE users ADD COLUMN name_search TEXT;
UPDATE users SET name_search = LOWER(name) WHERE name IS NOT NULL;

-- What other systems call a person.
CREATE TABLE external_ids (
    source      TEXT NOT NULL,
    external_id TEXT NOT NULL,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (source, external_id)
);
CREATE INDEX external_ids_user ON external_ids (user_id);
CREATE INDEX external_ids_id ON external_ids (external_id);

-- The last number given or met, by source: the next person's is one higher.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Digests of links and one-time tokens that were used. A row is needed until the thing would have expired anyway.
CREATE TABLE spent (
    digest     TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX spent_expiry ON spent (expires_at);
