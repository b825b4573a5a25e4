-- What an import left behind, so that the next one knows what was changed since.

-- Digest of the person as the source described them, without the password.
ALTER TABLE external_ids ADD COLUMN described TEXT;
-- Digest of the stored password that came with them: while it is still the one in use, another import may replace it.
ALTER TABLE external_ids ADD COLUMN password TEXT;
-- The person's revision after it: while it is still that one, nothing was changed here.
ALTER TABLE external_ids ADD COLUMN revision BIGINT;
