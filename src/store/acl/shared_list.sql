-- $1 who asks, $2 of whom (NULL: of all), $3 how many at most.
WITH granted AS (
    SELECT x.account_id, x.mailbox_id, x.negative, x.rights
      FROM account u JOIN mailbox_acl x ON x.grantee_id = u.id AND x.tenant_id = u.tenant_id
     WHERE u.id = $1 AND u.state <> 2
    UNION ALL
    SELECT x.account_id, x.mailbox_id, x.negative, x.rights
      FROM account u JOIN mailbox_acl x ON x.grantee_id IS NULL AND x.tenant_id = u.tenant_id
     WHERE u.id = $1 AND u.state <> 2
), allowed AS (
    SELECT g.account_id, g.mailbox_id,
           COALESCE(bit_or(g.rights) FILTER (WHERE NOT g.negative), 0)
           & ~COALESCE(bit_or(g.rights) FILTER (WHERE g.negative), 0) AS rights
      FROM granted g WHERE g.account_id <> $1 AND ($2::int IS NULL OR g.account_id = $2)
     GROUP BY g.account_id, g.mailbox_id
)
SELECT o.id, o.address, a.rights,
       m.id, m.name, m.role, m.uidvalidity, m.uidnext, m.highest_modseq, m.total, m.unseen, m.deleted, m.size,
       m.recent_uid
  FROM allowed a
  JOIN account o ON o.id = a.account_id AND o.state <> 2
 CROSS JOIN LATERAL (
       SELECT x.* FROM mailbox x
        WHERE x.account_id = a.account_id AND x.id = a.mailbox_id AND x.state = 0 OFFSET 0) m
 WHERE a.rights <> 0
 ORDER BY o.address COLLATE "C", m.name COLLATE "C" LIMIT $3
