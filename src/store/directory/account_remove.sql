-- Marks the account; the data goes in the background. Its address, aliases and password are free at once, and nobody
-- may do anything with its mailboxes any more, nor it with theirs.
WITH gone AS (
    UPDATE account SET state = 2, removed_at = now(), access = access + 1, access_at = now()
     WHERE address = $1 AND state <> 2 RETURNING id
), aliases AS (
    DELETE FROM alias USING gone WHERE account_id = gone.id
), secret AS (
    DELETE FROM credential USING gone WHERE account_id = gone.id
), granted AS (
    DELETE FROM mailbox_acl USING gone WHERE account_id = gone.id
), held AS (
    DELETE FROM mailbox_acl USING gone WHERE grantee_id = gone.id
)
SELECT id FROM gone
