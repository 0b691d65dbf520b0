-- $1 who asks, $2 the owner's address, $3 names: of those that exist the longest.
SELECT o.id, o.address, acl_rights_v1(o.id, m.id, u.id),
       m.id, m.name, m.role, m.uidvalidity, m.uidnext, m.highest_modseq, m.total, m.unseen, m.deleted, m.size,
       m.recent_uid
  FROM account u
  JOIN account o ON o.tenant_id = u.tenant_id AND o.id <> u.id
 CROSS JOIN LATERAL (
       SELECT x.* FROM mailbox x
        WHERE x.account_id = o.id AND x.name = ANY ($3) AND x.state = 0
        ORDER BY length(x.name) DESC LIMIT 1) m
 WHERE u.id = $1 AND u.state <> 2 AND o.address = $2 AND o.state <> 2
