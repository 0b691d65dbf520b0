-- Access control lists (RFC 4314): what others may do with a mailbox. Its owner may do everything and has no row.
--
-- grantee_id NULL is "anyone": everybody of the owner's tenant, never beyond it. Rights are types::Rights. What a user
-- may do is all that is granted to them and to anyone, less what is taken from either by a negative entry.
CREATE TABLE mailbox_acl (
    account_id int NOT NULL,                        -- whose mailbox
    mailbox_id uuid NOT NULL,
    grantee_id int REFERENCES account ON DELETE CASCADE,
    tenant_id  int NOT NULL REFERENCES tenant,      -- the owner's
    negative   boolean NOT NULL,
    rights     int NOT NULL CHECK (rights > 0),
    FOREIGN KEY (account_id, mailbox_id) REFERENCES mailbox ON DELETE CASCADE
);
CREATE UNIQUE INDEX mailbox_acl_entry ON mailbox_acl (account_id, mailbox_id, COALESCE(grantee_id, 0), negative);
CREATE INDEX mailbox_acl_grantee ON mailbox_acl (grantee_id) WHERE grantee_id IS NOT NULL;
CREATE INDEX mailbox_acl_anyone ON mailbox_acl (tenant_id) WHERE grantee_id IS NULL;

-- What users other than the owner note of a mailbox for themselves (RFC 5464, /private).
CREATE TABLE private_annotation (
    account_id int NOT NULL,                        -- whose mailbox
    mailbox_id uuid NOT NULL,
    user_id    int NOT NULL REFERENCES account ON DELETE CASCADE,
    entry      text NOT NULL,                       -- lower-case
    value      bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, user_id, entry),
    FOREIGN KEY (account_id, mailbox_id) REFERENCES mailbox ON DELETE CASCADE
);
CREATE INDEX private_annotation_user ON private_annotation (user_id);

-- What a user other than the owner may do with a mailbox; 0 for who does not exist, or belongs to another tenant.
CREATE FUNCTION acl_rights_v1(p_account int, p_mailbox uuid, p_user int) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT COALESCE(bit_or(x.rights) FILTER (WHERE NOT x.negative), 0)
           & ~COALESCE(bit_or(x.rights) FILTER (WHERE x.negative), 0)
      FROM mailbox_acl x
     WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox
       AND (x.grantee_id = p_user OR x.grantee_id IS NULL)
       AND EXISTS (SELECT 1 FROM account u
                    WHERE u.id = p_user AND u.tenant_id = x.tenant_id AND u.state <> 2)
$$;

-- SETACL and DELETEACL. p_mode: 0 set, 1 add, 2 remove; an entry without rights is no entry. A change of rights is a
-- change of the owner's account (kind 5), so that whoever looks at the mailbox hears of it; the mailbox's own highest
-- modseq is about its messages and stays.
CREATE FUNCTION acl_set_v1(
    p_account int, p_mailbox uuid, p_grantee int, p_negative boolean, p_mode smallint, p_rights int, p_most int
) RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_tenant int;
    v_old    int;
    v_new    int;
BEGIN
    SELECT a.tenant_id INTO v_tenant FROM mailbox m JOIN account a ON a.id = m.account_id AND a.state <> 2
     WHERE m.account_id = p_account AND m.id = p_mailbox AND m.state = 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    IF p_grantee IS NOT NULL THEN
        -- Whoever is being removed is waited for.
        PERFORM 1 FROM account u WHERE u.id = p_grantee AND u.tenant_id = v_tenant AND u.state <> 2 FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no such identifier' USING ERRCODE = 'PR001';
        END IF;
    END IF;
    SELECT x.rights INTO v_old FROM mailbox_acl x
     WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox
       AND COALESCE(x.grantee_id, 0) = COALESCE(p_grantee, 0) AND x.negative = p_negative;
    v_old := COALESCE(v_old, 0);
    v_new := CASE p_mode WHEN 0 THEN p_rights WHEN 1 THEN v_old | p_rights ELSE v_old & ~p_rights END;
    IF v_new = v_old THEN
        RETURN QUERY SELECT v_modseq - 1;
        RETURN;
    END IF;
    DELETE FROM mailbox_acl x
     WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox
       AND COALESCE(x.grantee_id, 0) = COALESCE(p_grantee, 0) AND x.negative = p_negative;
    IF v_new <> 0 THEN
        INSERT INTO mailbox_acl (account_id, mailbox_id, grantee_id, tenant_id, negative, rights)
        VALUES (p_account, p_mailbox, p_grantee, v_tenant, p_negative, v_new);
        IF (SELECT count(*) FROM mailbox_acl x
             WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox) > p_most THEN
            RAISE EXCEPTION 'too many entries' USING ERRCODE = 'PR001';
        END IF;
    END IF;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
    VALUES (p_account, v_modseq, 0, 5, 2, p_mailbox);
    RETURN QUERY SELECT v_modseq;
END $$;

-- As before, and: "When a new mailbox is created, it SHOULD inherit the ACL from the parent mailbox (if one exists)"
-- (RFC 4314 section 4). Under its old name, since it does nothing else for whoever knows no ACLs.
CREATE OR REPLACE FUNCTION mailbox_create_v1(p_account int, p_name text, p_role smallint, p_ids uuid[])
RETURNS TABLE (id uuid, modseq bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_level  text;
    v_parent uuid;
    v_id     uuid;
    v_made   int := 0;
BEGIN
    IF EXISTS (SELECT 1 FROM mailbox m WHERE m.account_id = p_account AND m.name = p_name AND m.state = 0) THEN
        RAISE EXCEPTION 'mailbox exists' USING ERRCODE = 'PR001';
    END IF;
    IF p_role <> 0 AND EXISTS (SELECT 1 FROM mailbox m
                 WHERE m.account_id = p_account AND m.role = p_role AND m.state = 0) THEN
        RAISE EXCEPTION 'special use taken' USING ERRCODE = 'PR001';
    END IF;
    FOR v_level IN SELECT * FROM mailbox_parents_v1(p_name) UNION ALL SELECT p_name LOOP
        SELECT m.id INTO v_id FROM mailbox m
         WHERE m.account_id = p_account AND m.name = v_level AND m.state = 0;
        IF FOUND THEN
            v_parent := v_id;
            CONTINUE;
        END IF;
        v_made := v_made + 1;
        INSERT INTO mailbox (account_id, id, name, role, uidvalidity, highest_modseq, created_modseq)
        VALUES (p_account, p_ids[v_made], v_level, CASE WHEN v_level = p_name THEN p_role ELSE 0 END,
                uidvalidity_next_v1(p_account), v_modseq, v_modseq);
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
        VALUES (p_account, v_modseq, v_made - 1, 2, 1, p_ids[v_made]);
        INSERT INTO mailbox_acl (account_id, mailbox_id, grantee_id, tenant_id, negative, rights)
        SELECT x.account_id, p_ids[v_made], x.grantee_id, x.tenant_id, x.negative, x.rights
          FROM mailbox_acl x WHERE x.account_id = p_account AND x.mailbox_id = v_parent;
        v_parent := p_ids[v_made];
    END LOOP;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    RETURN QUERY SELECT p_ids[v_made], v_modseq;
END $$;

-- As before, and: "The DELETE command MUST delete the ACL associated with the deleted mailbox" (RFC 4314 section 4).
CREATE OR REPLACE FUNCTION mailbox_delete_v1(p_account int, p_name text)
RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_id     uuid;
BEGIN
    IF EXISTS (SELECT 1 FROM mailbox m WHERE m.account_id = p_account AND m.state = 0
                  AND starts_with(m.name, p_name || '/')) THEN
        RAISE EXCEPTION 'mailbox has children' USING ERRCODE = 'PR001';
    END IF;
    UPDATE mailbox m SET state = 1, role = 0, highest_modseq = v_modseq
     WHERE m.account_id = p_account AND m.name = p_name AND m.state = 0
    RETURNING m.id INTO v_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    -- RFC 5464 section 4: "Servers SHOULD delete annotations for a mailbox when the mailbox is deleted".
    DELETE FROM annotation a WHERE a.account_id = p_account AND a.mailbox_id = v_id;
    DELETE FROM private_annotation a WHERE a.account_id = p_account AND a.mailbox_id = v_id;
    DELETE FROM mailbox_acl x WHERE x.account_id = p_account AND x.mailbox_id = v_id;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
    VALUES (p_account, v_modseq, 0, 2, 3, v_id);
    RETURN QUERY SELECT v_modseq;
END $$;

-- STORE by who may change only some flags: those of p_mask, and keywords where p_words. Otherwise as store_flags_v1.
CREATE FUNCTION store_flags_within_v1(
    p_account int, p_shard int, p_mailbox uuid, p_uids int[], p_mode smallint, p_flags int, p_keywords text[],
    p_unchanged_since bigint, p_mask int, p_words boolean
) RETURNS TABLE (uid int, flags int, keywords text[], modseq bigint, outcome smallint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY EXECUTE format($q$
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE $4 WHEN 0 THEN (t.flags & ~$8) | ($5 & $8) WHEN 1 THEN t.flags | ($5 & $8)
                       ELSE t.flags & ~($5 & $8) END AS new_flags,
               CASE WHEN NOT $9 OR ($4 <> 0 AND $6 IS NULL) THEN t.keywords
                    WHEN t.keywords IS NULL AND $6 IS NULL THEN NULL
                    ELSE keywords_apply_v1(t.keywords, $4, $6) END AS new_keywords,
               ($7 IS NOT NULL AND t.modseq > $7) AS conflict
          FROM (SELECT DISTINCT unnest($3) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_%1$s x
                WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.uid = wanted.uid OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_%1$s t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = $10
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = $10 WHERE s.account_id = $1 AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = $10,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = $1 AND mb.id = $2 AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT $1, $10, 0, 1, 2, $2, array_agg(c.uid ORDER BY c.uid), array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE $10 END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid
    $q$, p_shard)
    USING p_account, p_mailbox, p_uids, p_mode, p_flags, p_keywords, p_unchanged_since, p_mask, p_words, v_modseq;
END $$;

-- COPY and MOVE where one of the two mailboxes is somebody else's: all or nothing, in one transaction of both accounts.
-- A message that the target's account does not have yet gets a row there that shares the blob and keeps its id; so does
-- a copy within one account, which shares the row. What p_mask and p_words do not allow is not set on the copies
-- (RFC 4314 section 4: "The server MUST NOT fail a COPY/APPEND if the user has no rights to set a particular flag").
--
-- The source's lock keeps its message, and with it the blob, alive until this has committed.
--
-- m_*: the messages of p_uids, each once, with its conversation; t_default, r_*: conversations as in deliver_v1. A
-- message that is not among them is passed over.
CREATE FUNCTION copy_between_v1(
    p_source int, p_source_shard int, p_from uuid, p_uids int[],
    p_target int, p_target_shard int, p_to uuid, p_remove boolean, p_mask int, p_words boolean,
    m_id uuid[], m_thread int[], t_default uuid[], r_thread int[], r_hash bigint[]
) RETURNS TABLE (uidvalidity int, source_uids int[], target_uids int[], source_modseq bigint, target_modseq bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    v_across   boolean := p_source <> p_target;
    v_source   bigint;
    v_target   bigint;
    v_validity int;
    v_next     int;
    v_uids     int[];
    v_new      int[];
    v_added    uuid[];
    v_blobs    uuid[];
    v_bytes    bigint;
    v_threads  uuid[];
BEGIN
    PERFORM account_lock_v1(LEAST(p_source, p_target));
    IF v_across THEN
        PERFORM account_lock_v1(GREATEST(p_source, p_target));
    END IF;
    SELECT s.modseq + 1 INTO v_source FROM account_state s WHERE s.account_id = p_source;
    SELECT s.modseq + 1 INTO v_target FROM account_state s WHERE s.account_id = p_target;
    SELECT mb.uidvalidity, mb.uidnext INTO v_validity, v_next
      FROM mailbox mb JOIN account a ON a.id = mb.account_id AND a.state <> 2
     WHERE mb.account_id = p_target AND mb.id = p_to AND mb.state = 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    IF v_across THEN
        SELECT array_agg(COALESCE(
                 (SELECT f.thread_id FROM unnest(r_thread, r_hash) AS r(thread, hash)
                   CROSS JOIN LATERAL (SELECT x.thread_id FROM thread_ref x
                         WHERE x.account_id = p_target AND x.ref_hash = r.hash OFFSET 0) f
                   WHERE r.thread = t.ord ORDER BY f.thread_id LIMIT 1), t.fallback) ORDER BY t.ord)
          INTO v_threads FROM unnest(t_default) WITH ORDINALITY AS t(fallback, ord);
        EXECUTE format($q$
            SELECT array_agg(g.id), array_agg(g.blob_id), sum(g.size)
              FROM (SELECT DISTINCT t.message_id FROM unnest($3) AS wanted(uid)
                     CROSS JOIN LATERAL (
                           SELECT x.message_id FROM mailbox_message_%1$s x
                            WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.uid = wanted.uid OFFSET 0) t) d
             CROSS JOIN LATERAL (SELECT x.id, x.blob_id, x.size FROM message_%1$s x
                                  WHERE x.account_id = $1 AND x.id = d.message_id OFFSET 0) g
             WHERE d.message_id = ANY ($5)
               AND (SELECT 1 FROM message_%2$s o WHERE o.account_id = $4 AND o.id = d.message_id) IS NULL
        $q$, p_source_shard, p_target_shard)
        INTO v_added, v_blobs, v_bytes USING p_source, p_from, p_uids, p_target, m_id;
    END IF;
    IF v_added IS NOT NULL THEN
        IF EXISTS (SELECT 1 FROM account_state s WHERE s.account_id = p_target
                      AND (s.used_bytes + v_bytes > s.quota_bytes
                           OR s.used_messages + cardinality(v_added) > s.quota_messages)) THEN
            RAISE EXCEPTION 'over quota' USING ERRCODE = 'PR001';
        END IF;
        -- It is on its way there by itself, and would find its place taken.
        IF EXISTS (SELECT 1 FROM queue_recipient r JOIN queue_message q ON q.id = r.queue_id
                    WHERE r.account_id = p_target AND q.blob_id = ANY (v_blobs)) THEN
            RAISE EXCEPTION 'being delivered' USING ERRCODE = 'PR001';
        END IF;
        EXECUTE format($q$
            INSERT INTO message_%2$s (account_id, id, blob_id, size, received_at, structure, preview)
            SELECT $2, g.id, g.blob_id, g.size, g.received_at, g.structure, g.preview
              FROM unnest($3) AS added(id)
             CROSS JOIN LATERAL (SELECT x.* FROM message_%1$s x
                                  WHERE x.account_id = $1 AND x.id = added.id OFFSET 0) g
        $q$, p_source_shard, p_target_shard) USING p_source, p_target, v_added;
        INSERT INTO blob_delta (blob_id, delta) SELECT b, 1 FROM unnest(v_blobs) b;
        INSERT INTO thread_ref (account_id, ref_hash, thread_id)
        SELECT p_target, r.hash, v_threads[r.thread] FROM unnest(r_thread, r_hash) AS r(thread, hash)
         WHERE EXISTS (SELECT 1 FROM unnest(m_id, m_thread) AS m(id, thread)
                        WHERE m.thread = r.thread AND m.id = ANY (v_added))
         ORDER BY r.hash
        ON CONFLICT DO NOTHING;
    END IF;
    EXECUTE format($q$
        WITH s AS MATERIALIZED (
            SELECT t.uid, t.message_id, t.received_at, t.size, t.flags & $7 AS flags,
                   CASE WHEN $8 THEN t.keywords END AS keywords,
                   CASE WHEN $9 THEN COALESCE(
                        (SELECT o.thread_id FROM mailbox_message_%2$s o
                          WHERE o.account_id = $4 AND o.message_id = t.message_id LIMIT 1),
                        ($12)[m.thread])
                   ELSE t.thread_id END AS thread_id,
                   ($6 + row_number() OVER (ORDER BY t.uid) - 1)::int AS new_uid
              FROM (SELECT DISTINCT unnest($3) AS uid) wanted
             CROSS JOIN LATERAL (
                   SELECT x.* FROM mailbox_message_%1$s x
                    WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.uid = wanted.uid OFFSET 0) t
              LEFT JOIN unnest($10, $11) AS m(id, thread) ON m.id = t.message_id
             WHERE m.id IS NOT NULL OR NOT $9
        ), i AS (
            INSERT INTO mailbox_message_%2$s (account_id, mailbox_id, uid, flags, modseq, message_id, thread_id,
                                              received_at, saved_at, size, keywords)
            SELECT $4, $5, s.new_uid, s.flags, $13, s.message_id, s.thread_id, s.received_at, now(), s.size,
                   s.keywords FROM s
        ), a AS (
            UPDATE account_state t
               SET modseq = $13, used_bytes = t.used_bytes + $14, used_messages = t.used_messages + $15
             WHERE t.account_id = $4 AND EXISTS (SELECT 1 FROM s)
        ), m AS (
            UPDATE mailbox mb
               SET uidnext = mb.uidnext + x.n, total = mb.total + x.n, unseen = mb.unseen + x.unseen,
                   deleted = mb.deleted + x.deleted, size = mb.size + x.bytes, highest_modseq = $13
              FROM (SELECT count(*)::int AS n, count(*) FILTER (WHERE s.flags & 1 = 0)::int AS unseen,
                           count(*) FILTER (WHERE s.flags & 8 <> 0)::int AS deleted,
                           sum(s.size)::bigint AS bytes FROM s) x
             WHERE mb.account_id = $4 AND mb.id = $5 AND x.n > 0
        ), h AS (
            INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
            SELECT $4, $13, 0, 1, 1, $5, array_agg(s.new_uid ORDER BY s.uid), array_agg(s.message_id ORDER BY s.uid)
              FROM s HAVING count(*) > 0
        )
        SELECT array_agg(s.uid ORDER BY s.uid), array_agg(s.new_uid ORDER BY s.uid) FROM s
    $q$, p_source_shard, p_target_shard)
    INTO v_uids, v_new
    USING p_source, p_from, p_uids, p_target, p_to, v_next, p_mask, p_words, v_across, m_id, m_thread, v_threads,
          v_target, COALESCE(v_bytes, 0), COALESCE(cardinality(v_added), 0);
    IF v_uids IS NOT NULL AND p_remove THEN
        PERFORM remove_copies_v1(p_source, p_source_shard, p_from, v_uids, false, v_source,
                                 CASE WHEN v_across THEN 0 ELSE cardinality(v_uids) END);
    END IF;
    RETURN QUERY SELECT v_validity, COALESCE(v_uids, '{}'), COALESCE(v_new, '{}'),
                        v_source - (v_uids IS NULL OR v_across AND NOT p_remove)::int,
                        v_target - (v_uids IS NULL)::int;
END $$;

-- REPLACE (RFC 8508) where the message that goes is in another account than the one that comes: one transaction of
-- both. The first 31 arguments are those of append_v1, p_shard being that of p_replaced_account.
CREATE FUNCTION append_across_v1(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[],
    b_received timestamptz[], b_new boolean[], b_queue uuid[], b_tenant int[], b_reverse_path text[],
    b_envelope jsonb[],
    d_blob int[], d_account int[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags int[],
    d_keywords text[], d_thread int[], d_queued bigint[], d_defer boolean[], d_recipient text[],
    t_account int[], t_default uuid[], r_thread int[], r_hash bigint[],
    p_skip_busy boolean, p_shard int, p_replaced_mailbox uuid, p_replaced_uid int, p_replaced_account int
) RETURNS TABLE (outcome smallint, mailbox_id uuid, uidvalidity int, uid int, modseq bigint, thread_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint;
BEGIN
    PERFORM account_lock_v1(LEAST(d_account[1], p_replaced_account));
    PERFORM account_lock_v1(GREATEST(d_account[1], p_replaced_account));
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_replaced_account;
    IF remove_copies_v1(p_replaced_account, p_shard, p_replaced_mailbox, ARRAY[p_replaced_uid], false, v_modseq, 0)
       = '{}' THEN
        RAISE EXCEPTION 'no such message' USING ERRCODE = 'PR001';
    END IF;
    RETURN QUERY
    SELECT d.outcome, d.mailbox_id, d.uidvalidity, d.uid, d.modseq, d.thread_id
      FROM append_v1(b_id, b_key, b_size, b_blake3, b_structure, b_preview, b_received, b_new, b_queue,
                     b_tenant, b_reverse_path, b_envelope, d_blob, d_account, d_mailbox, d_strict, d_message,
                     d_flags, d_keywords, d_thread, d_queued, d_defer, d_recipient, t_account, t_default,
                     r_thread, r_hash, p_skip_busy, p_shard, NULL, NULL) d;
END $$;

-- SETMETADATA by a user other than the owner: /private entries are theirs alone, the others the mailbox's. All or none.
CREATE FUNCTION metadata_set_as_v1(
    p_user int, p_account int, p_mailbox uuid, p_entries text[], p_values bytea[], p_most int, p_most_in_all int
) RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock_v1(LEAST(p_user, p_account));
    PERFORM account_lock_v1(GREATEST(p_user, p_account));
    DELETE FROM private_annotation a USING unnest(p_entries) AS g(entry)
     WHERE a.account_id = p_account AND a.mailbox_id = p_mailbox AND a.user_id = p_user AND a.entry = g.entry
       AND starts_with(g.entry, '/private');
    INSERT INTO private_annotation (account_id, mailbox_id, user_id, entry, value)
    SELECT p_account, p_mailbox, p_user, x.entry, x.value
      FROM (SELECT DISTINCT ON (g.entry) g.entry, g.value
              FROM unnest(p_entries, p_values) WITH ORDINALITY AS g(entry, value, ord)
             WHERE starts_with(g.entry, '/private') ORDER BY g.entry, g.ord DESC) x
     WHERE x.value IS NOT NULL;
    IF FOUND AND ((SELECT count(*) FROM private_annotation a WHERE a.account_id = p_account
                      AND a.mailbox_id = p_mailbox AND a.user_id = p_user) > p_most
                  OR (SELECT count(*) FROM private_annotation a WHERE a.user_id = p_user) > p_most_in_all) THEN
        RAISE EXCEPTION 'too many annotations' USING ERRCODE = 'PR001';
    END IF;
    RETURN QUERY
    SELECT s.modseq
      FROM (SELECT COALESCE(array_agg(g.entry ORDER BY g.ord), '{}') AS entries,
                   COALESCE(array_agg(g.value ORDER BY g.ord), '{}') AS set_to
              FROM unnest(p_entries, p_values) WITH ORDINALITY AS g(entry, value, ord)
             WHERE NOT starts_with(g.entry, '/private')) shared
     CROSS JOIN LATERAL metadata_set_v1(p_account, p_mailbox, shared.entries, shared.set_to, p_most,
                                        p_most_in_all) s;
END $$;
