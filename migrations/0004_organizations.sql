-- Organisations: people together, with roles that mean something there.
CREATE TABLE organizations (
    id             TEXT   NOT NULL PRIMARY KEY,
    slug           TEXT   NOT NULL UNIQUE,
    name           TEXT   NOT NULL,
    -- Names that read the same are the same.
    name_canonical TEXT   NOT NULL UNIQUE,
    revision       BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);

CREATE TABLE organization_members (
    organization_id TEXT   NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- JSON list of text.
    roles           TEXT   NOT NULL,
    added_at        BIGINT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX organization_members_user ON organization_members (user_id);

-- What a change of a client is for; see `users.revision`.
ALTER TABLE clients ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- The trail is searched by what an act was on and by who did it.
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_at ON audit (at);
