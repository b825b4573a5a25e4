-- Sign-ups that nobody confirmed yet, and limits that count for an account whichever of its names is typed.

-- Somebody signed up with this address and has not shown that it is theirs: nothing opens, and nothing tells it from an address that was taken.
ALTER TABLE users ADD COLUMN pending BOOLEAN NOT NULL DEFAULT FALSE;
-- The user name they asked for. It becomes theirs with the address, if nobody has it by then; until then it is nobody's.
ALTER TABLE users ADD COLUMN wanted TEXT;
ALTER TABLE users ADD COLUMN wanted_canonical TEXT;

-- The account that a count belongs to, as a keyed digest: whoever unlocks it ends them all.
ALTER TABLE attempts ADD COLUMN account TEXT;
CREATE INDEX attempts_account ON attempts (account) WHERE account IS NOT NULL;
