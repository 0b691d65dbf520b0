-- Removes the domain $1 if nothing is left in it; tells what is.
WITH home AS (
    SELECT d.id,
           (SELECT count(*) FROM account a WHERE a.domain_id = d.id AND a.state <> 2) AS accounts,
           (SELECT count(*) FROM account a WHERE a.domain_id = d.id AND a.state = 2) AS purging,
           (SELECT count(*) FROM alias l WHERE l.domain_id = d.id) AS aliases
      FROM domain d WHERE d.name = $1
), gone AS (
    DELETE FROM domain d USING home h
     WHERE d.id = h.id AND h.accounts = 0 AND h.purging = 0 AND h.aliases = 0
)
SELECT accounts, purging, aliases FROM home
