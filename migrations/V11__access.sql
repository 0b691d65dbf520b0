-- Who may stay logged in, and what strangers are told by all nodes alike.

-- Rises with every change after which nobody who logged in before it may stay: the password was set, the account
-- disabled, enabled or removed. Nodes look for recent changes every second (account_access_at), whatever becomes of
-- hints; sessions remember the value that they logged in with.
ALTER TABLE account ADD COLUMN access bigint NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN access_at timestamptz;
CREATE INDEX account_access_at ON account (access_at) WHERE access_at IS NOT NULL;

-- What an unknown user's SCRAM challenge is made of. All nodes must say the same, and the same as for accounts: so
-- the iteration count of every verifier is this one as well. Made by whoever needs it first.
CREATE TABLE scram_setting (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    secret     bytea NOT NULL CHECK (octet_length(secret) = 32),
    iterations int NOT NULL CHECK (iterations >= 4096)
);
