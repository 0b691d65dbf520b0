-- The last thing the log says of each UID, against the copies there are. Only for accounts whose log is whole.
WITH logged AS (
    SELECT DISTINCT ON (c.account_id, c.mailbox_id, u.uid)
           c.account_id, c.mailbox_id, u.uid, u.message_id, c.op, c.modseq
      FROM change c
      JOIN account_state s ON s.account_id = c.account_id AND s.change_floor = 0
      JOIN account a ON a.id = c.account_id AND a.state <> 2
     CROSS JOIN LATERAL unnest(c.uids, c.object_ids) AS u(uid, message_id)
     WHERE c.kind = 1
     ORDER BY c.account_id, c.mailbox_id, u.uid, c.modseq DESC, c.position DESC
), there AS (
    SELECT m.account_id, m.mailbox_id, m.uid, m.message_id, m.modseq
      FROM mailbox_message m
      JOIN account_state s ON s.account_id = m.account_id AND s.change_floor = 0
      JOIN account a ON a.id = m.account_id AND a.state <> 2
)
SELECT format('account %s mailbox %s uid %s: op %s at %s logged, modseq %s there',
              COALESCE(l.account_id, t.account_id), COALESCE(l.mailbox_id, t.mailbox_id),
              COALESCE(l.uid, t.uid), l.op, l.modseq, t.modseq)
  FROM logged l
  FULL JOIN there t ON t.account_id = l.account_id AND t.mailbox_id = l.mailbox_id AND t.uid = l.uid
 WHERE (t.uid IS NULL AND l.op <> 3)
    OR (t.uid IS NOT NULL AND (l.uid IS NULL OR l.op = 3 OR l.modseq <> t.modseq
                               OR l.message_id <> t.message_id))
UNION ALL
-- A UID is created once.
SELECT format('account %s mailbox %s uid %s created %s times', c.account_id, c.mailbox_id, u.uid, count(*))
  FROM change c CROSS JOIN LATERAL unnest(c.uids) AS u(uid)
 WHERE c.kind = 1 AND c.op = 1
 GROUP BY c.account_id, c.mailbox_id, u.uid HAVING count(*) > 1
