-- Accounts after the address $2 of the domain $1 (NULL: of all), in order.
SELECT a.id, a.address, a.display_name, a.state, a.created_at, s.used_bytes, s.used_messages,
       s.quota_bytes, s.quota_messages
  FROM account a JOIN account_state s ON s.account_id = a.id
 WHERE a.state <> 2 AND a.address > $2
   AND ($1::text IS NULL OR a.domain_id = (SELECT id FROM domain WHERE name = $1))
 ORDER BY a.address LIMIT $3
