-- One statement, so one transaction: an account never stands without its counters, its credential or its
-- mailboxes. $1 address, $2 domain, $3 display name, $4 argon2id, $5 SCRAM verifier, $6 quota in bytes,
-- $7 names, $8 roles and $9 ids of the mailboxes.
WITH home AS (
    SELECT id, tenant_id FROM domain WHERE name = $2
), taken AS (
    SELECT 1 FROM alias WHERE address = $1 LIMIT 1
), born AS (
    INSERT INTO account (tenant_id, domain_id, address, display_name)
    SELECT tenant_id, id, $1, $3 FROM home WHERE NOT EXISTS (SELECT FROM taken)
    RETURNING id
), wanted AS (
    SELECT born.id AS account_id, m.id, m.name, m.role, m.n::int AS n,
           extract(epoch FROM now())::int + m.n::int AS uidvalidity
      FROM born, unnest($7::text[], $8::smallint[], $9::uuid[]) WITH ORDINALITY AS m (name, role, id, n)
), state AS (
    INSERT INTO account_state (account_id, modseq, last_uidvalidity, quota_bytes)
    SELECT account_id, 1, max(uidvalidity), $6 FROM wanted GROUP BY account_id
), secret AS (
    INSERT INTO credential (account_id, argon2id, scram_sha_256) SELECT id, $4, $5 FROM born
), boxes AS (
    INSERT INTO mailbox (account_id, id, name, role, uidvalidity, highest_modseq, created_modseq)
    SELECT account_id, id, name, role, uidvalidity, 1, 1 FROM wanted
), log AS (
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
    SELECT account_id, 1, n - 1, 2, 1, id FROM wanted
), seen AS (
    INSERT INTO subscription (account_id, name) SELECT account_id, name FROM wanted
)
SELECT EXISTS (SELECT FROM home), EXISTS (SELECT FROM taken), (SELECT id FROM born)
