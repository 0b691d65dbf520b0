-- All aliases, or those in the domain $1, or those of the account $2.
SELECT l.address, a.address
  FROM alias l JOIN account a ON a.id = l.account_id
 WHERE ($1::text IS NULL OR l.domain_id = (SELECT id FROM domain WHERE name = $1))
   AND ($2::text IS NULL OR a.address = $2)
 ORDER BY l.address, a.address
