SELECT d.name, t.name, d.created_at,
       (SELECT count(*) FROM account a WHERE a.domain_id = d.id AND a.state <> 2),
       (SELECT count(*) FROM alias l WHERE l.domain_id = d.id)
  FROM domain d JOIN tenant t ON t.id = d.tenant_id
 ORDER BY d.name
