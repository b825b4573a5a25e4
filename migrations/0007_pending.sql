-- Sign-ups that nobody confirms are removed some time after the last mail that could have confirmed them.

-- When the last mail went out that shows that the address is theirs (a confirmation, a reset); none: only the one of the sign-up did.
ALTER TABLE users ADD COLUMN mailed_at BIGINT;
UPDATE users SET mailed_at = (SELECT MAX(a.at) FROM audit a
    WHERE a.subject = 'user:' || users.id AND a.act IN ('user.resend_verification', 'user.request_reset', 'user.require_reset'))
WHERE pending;
CREATE INDEX users_pending ON users (created_at) WHERE pending;
