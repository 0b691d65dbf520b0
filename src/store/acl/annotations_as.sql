-- $1 whose and $2 which mailbox, $3 who asks, $4 entries, $5 how far below them.
SELECT a.entry, a.value
  FROM (SELECT x.entry, x.value FROM annotation x
         WHERE x.account_id = $1 AND x.mailbox_id = $2 AND starts_with(x.entry, '/shared')
        UNION ALL
        SELECT x.entry, x.value FROM private_annotation x
         WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.user_id = $3) a
 WHERE EXISTS (
       SELECT 1 FROM unnest($4) e WHERE a.entry = e OR ($5 >= 1 AND starts_with(a.entry, e || '/')
          AND ($5 = 2 OR position('/' IN substr(a.entry, length(e) + 2)) = 0)))
 ORDER BY a.entry COLLATE "C"
