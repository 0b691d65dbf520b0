-- $1 the alias ('@domain' for a catch-all), $2 its domain, $3 the account it delivers to.
WITH home AS (
    SELECT id FROM domain WHERE name = $2
), target AS (
    SELECT id FROM account WHERE address = $3 AND state <> 2
), taken AS (
    SELECT 1 FROM account WHERE address = $1 AND state <> 2
), made AS (
    INSERT INTO alias (address, account_id, domain_id)
    SELECT $1, target.id, home.id FROM home, target WHERE NOT EXISTS (SELECT FROM taken)
)
SELECT EXISTS (SELECT FROM home), EXISTS (SELECT FROM target), EXISTS (SELECT FROM taken)
