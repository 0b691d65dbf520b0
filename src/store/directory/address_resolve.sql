-- $1 the address, $2 the same without +detail (or again $1), $3 '@domain', $4 domain.
-- No row: not a domain of ours. One row without an account: nobody takes this address.
SELECT found.rank, found.id, found.tenant_id, found.address, found.state = 0,
       COALESCE(s.used_bytes >= s.quota_bytes, false) OR COALESCE(s.used_messages >= s.quota_messages, false)
  FROM domain d
  LEFT JOIN LATERAL (
        SELECT 1::smallint AS rank, a.id, a.tenant_id, a.address, a.state
          FROM account a WHERE a.address = $1 AND a.state <> 2
        UNION ALL
        SELECT 2::smallint, a.id, a.tenant_id, a.address, a.state
          FROM alias l JOIN account a ON a.id = l.account_id WHERE l.address = $1 AND a.state <> 2
        UNION ALL
        SELECT 3::smallint, a.id, a.tenant_id, a.address, a.state
          FROM account a WHERE a.address = $2 AND a.state <> 2
        UNION ALL
        SELECT 4::smallint, a.id, a.tenant_id, a.address, a.state
          FROM alias l JOIN account a ON a.id = l.account_id WHERE l.address = $2 AND a.state <> 2
        UNION ALL
        SELECT 5::smallint, a.id, a.tenant_id, a.address, a.state
          FROM alias l JOIN account a ON a.id = l.account_id WHERE l.address = $3 AND a.state <> 2
       ) found ON true
  LEFT JOIN account_state s ON s.account_id = found.id
 WHERE d.name = $4
 ORDER BY found.rank, found.id
