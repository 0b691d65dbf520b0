-- What the migrations make, for the reader and for a test (tests/schema.rs). Never run by hand; written
-- anew by `make schema`.
CREATE FUNCTION public.account_lock_v1(p_account integer) RETURNS bigint
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    AS $$
DECLARE
    v_modseq bigint;
BEGIN
    SELECT s.modseq INTO v_modseq FROM account_state s
     WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    RETURN v_modseq;
END $$;
CREATE FUNCTION public.acl_rights_v1(p_account integer, p_mailbox uuid, p_user integer) RETURNS integer
    LANGUAGE sql STABLE
    AS $$
    SELECT COALESCE(bit_or(x.rights) FILTER (WHERE NOT x.negative), 0)
           & ~COALESCE(bit_or(x.rights) FILTER (WHERE x.negative), 0)
      FROM mailbox_acl x
     WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox
       AND (x.grantee_id = p_user OR x.grantee_id IS NULL)
       AND EXISTS (SELECT 1 FROM account u
                    WHERE u.id = p_user AND u.tenant_id = x.tenant_id AND u.state <> 2)
$$;
CREATE FUNCTION public.acl_set_v1(p_account integer, p_mailbox uuid, p_grantee integer, p_negative boolean, p_mode smallint, p_rights integer, p_most integer) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.append_across_v1(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags integer[], d_keywords text[], d_thread integer[], d_queued bigint[], d_defer boolean[], d_recipient text[], t_account integer[], t_default uuid[], r_thread integer[], r_hash bigint[], p_skip_busy boolean, p_shard integer, p_replaced_mailbox uuid, p_replaced_uid integer, p_replaced_account integer) RETURNS TABLE(outcome smallint, mailbox_id uuid, uidvalidity integer, uid integer, modseq bigint, thread_id uuid)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.append_v1(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags integer[], d_keywords text[], d_thread integer[], d_queued bigint[], d_defer boolean[], d_recipient text[], t_account integer[], t_default uuid[], r_thread integer[], r_hash bigint[], p_skip_busy boolean, p_shard integer, p_replaced_mailbox uuid, p_replaced_uid integer) RETURNS TABLE(outcome smallint, mailbox_id uuid, uidvalidity integer, uid integer, modseq bigint, thread_id uuid)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(d_account[1]) + 1;
BEGIN
    IF p_replaced_uid IS NOT NULL
       AND remove_copies_v1(d_account[1], p_shard, p_replaced_mailbox, ARRAY[p_replaced_uid], false, v_modseq, 0)
           = '{}' THEN
        RAISE EXCEPTION 'no such message' USING ERRCODE = 'PR001';
    END IF;
    FOR outcome, mailbox_id, uidvalidity, uid, modseq, thread_id IN
        SELECT d.outcome, d.mailbox_id, d.uidvalidity, d.uid, d.modseq, d.thread_id
          FROM deliver_v1(b_id, b_key, b_size, b_blake3, b_structure, b_preview, b_received, b_new, b_queue,
                          b_tenant, b_reverse_path, b_envelope, d_blob, d_account, d_mailbox, d_strict, d_message,
                          d_flags, d_keywords, d_thread, d_queued, d_defer, d_recipient, t_account, t_default,
                          r_thread, r_hash, p_skip_busy) d
    LOOP
        CASE outcome
            WHEN 0 THEN RETURN NEXT;
            WHEN 2 THEN RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
            WHEN 3 THEN RAISE EXCEPTION 'over quota' USING ERRCODE = 'PR001';
            ELSE RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
        END CASE;
    END LOOP;
END $$;
CREATE FUNCTION public.copy_between_v1(p_source integer, p_source_shard integer, p_from uuid, p_uids integer[], p_target integer, p_target_shard integer, p_to uuid, p_remove boolean, p_mask integer, p_words boolean, m_id uuid[], m_thread integer[], t_default uuid[], r_thread integer[], r_hash bigint[]) RETURNS TABLE(uidvalidity integer, source_uids integer[], target_uids integer[], source_modseq bigint, target_modseq bigint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
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
END $_$;
CREATE FUNCTION public.copy_v1(p_account integer, p_shard integer, p_from uuid, p_uids integer[], p_to uuid, p_remove boolean) RETURNS TABLE(uidvalidity integer, source_uids integer[], target_uids integer[], modseq bigint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
DECLARE
    v_modseq   bigint := account_lock_v1(p_account) + 1;
    v_validity int;
    v_next     int;
    v_source   int[];
    v_target   int[];
BEGIN
    SELECT mb.uidvalidity, mb.uidnext INTO v_validity, v_next FROM mailbox mb
     WHERE mb.account_id = p_account AND mb.id = p_to AND mb.state = 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    EXECUTE format($q$
        WITH s AS MATERIALIZED (
            SELECT t.*, ($4 + row_number() OVER (ORDER BY t.uid) - 1)::int AS new_uid
              FROM (SELECT DISTINCT unnest($3) AS uid) wanted
             CROSS JOIN LATERAL (
                   SELECT x.* FROM mailbox_message_%1$s x
                    WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.uid = wanted.uid OFFSET 0) t
        ), i AS (
            INSERT INTO mailbox_message (account_id, mailbox_id, uid, flags, modseq, message_id, thread_id,
                                         received_at, saved_at, size, keywords)
            SELECT $1, $5, s.new_uid, s.flags, $6, s.message_id, s.thread_id, s.received_at, now(), s.size,
                   s.keywords FROM s
        ), a AS (
            UPDATE account_state t SET modseq = $6 WHERE t.account_id = $1 AND EXISTS (SELECT 1 FROM s)
        ), m AS (
            UPDATE mailbox mb
               SET uidnext = mb.uidnext + x.n, total = mb.total + x.n, unseen = mb.unseen + x.unseen,
                   deleted = mb.deleted + x.deleted, size = mb.size + x.bytes, highest_modseq = $6
              FROM (SELECT count(*)::int AS n, count(*) FILTER (WHERE s.flags & 1 = 0)::int AS unseen,
                           count(*) FILTER (WHERE s.flags & 8 <> 0)::int AS deleted,
                           sum(s.size)::bigint AS bytes FROM s) x
             WHERE mb.account_id = $1 AND mb.id = $5 AND x.n > 0
        ), h AS (
            INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
            SELECT $1, $6, 0, 1, 1, $5, array_agg(s.new_uid ORDER BY s.uid),
                   array_agg(s.message_id ORDER BY s.uid)
              FROM s HAVING count(*) > 0
        )
        SELECT array_agg(s.uid ORDER BY s.uid), array_agg(s.new_uid ORDER BY s.uid) FROM s
    $q$, p_shard)
    INTO v_source, v_target
    USING p_account, p_from, p_uids, v_next, p_to, v_modseq;
    IF v_source IS NOT NULL AND p_remove THEN
        PERFORM remove_copies_v1(p_account, p_shard, p_from, v_source, false, v_modseq,
                                 cardinality(v_source));
    END IF;
    RETURN QUERY SELECT v_validity, COALESCE(v_source, '{}'), COALESCE(v_target, '{}'),
                        v_modseq - (v_source IS NULL)::int;
END $_$;
CREATE FUNCTION public.deliver_queue_v1(b_id uuid[], b_size bigint[], b_received timestamp with time zone[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_recipient text[], d_queued bigint[], p_outcome smallint[]) RETURNS void
    LANGUAGE sql
    AS $$
    WITH waiting AS MATERIALIZED (
        SELECT u.* FROM unnest(d_blob, d_account, d_mailbox, d_recipient, d_queued, p_outcome)
                   AS u(blob, account, mailbox, recipient, queued, outcome)
         WHERE u.outcome IN (1, 3, 5) AND u.queued IS NULL AND b_queue[u.blob] IS NOT NULL
    ), q AS (
        INSERT INTO queue_message (id, tenant_id, blob_id, reverse_path, size, received_at, envelope)
        SELECT b_queue[x.blob], b_tenant[x.blob], b_id[x.blob], b_reverse_path[x.blob], b_size[x.blob],
               b_received[x.blob], b_envelope[x.blob]
          FROM (SELECT DISTINCT w.blob FROM waiting w) x
        RETURNING id
    )
    INSERT INTO queue_recipient (queue_id, tenant_id, account_id, mailbox_id, recipient, due, last_error)
    SELECT q.id, b_tenant[w.blob], w.account, w.mailbox, w.recipient,
           now() + CASE WHEN w.outcome = 3 THEN interval '5 minutes' ELSE interval '0' END,
           CASE w.outcome WHEN 1 THEN 'account busy' WHEN 3 THEN 'over quota' ELSE '' END
      FROM waiting w JOIN q ON q.id = b_queue[w.blob];
$$;
CREATE FUNCTION public.deliver_v1(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags integer[], d_keywords text[], d_thread integer[], d_queued bigint[], d_defer boolean[], d_recipient text[], t_account integer[], t_default uuid[], r_thread integer[], r_hash bigint[], p_skip_busy boolean) RETURNS TABLE(outcome smallint, mailbox_id uuid, uidvalidity integer, uid integer, modseq bigint, thread_id uuid)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_wanted   int[] := ARRAY(SELECT DISTINCT u.account FROM unnest(d_account, d_defer) u(account, defer)
                               WHERE NOT u.defer);
    v_locked   int[];
    v_outcome  smallint[];
    v_mailbox  uuid[];
    v_validity int[];
    v_uid      int[];
    v_modseq   bigint[];
    v_thread   uuid[];
    v_settled  bigint[];
    v_done     int;
BEGIN
    IF p_skip_busy THEN
        SELECT array_agg(l.account_id) INTO v_locked FROM (
            SELECT s.account_id FROM account_state s WHERE s.account_id = ANY (v_wanted)
             ORDER BY s.account_id FOR NO KEY UPDATE SKIP LOCKED) l;
    ELSE
        SELECT array_agg(l.account_id) INTO v_locked FROM (
            SELECT s.account_id FROM account_state s WHERE s.account_id = ANY (v_wanted)
             ORDER BY s.account_id FOR NO KEY UPDATE) l;
    END IF;
    WITH d AS MATERIALIZED (
        SELECT u.*, b_size[u.blob] AS size
          FROM unnest(d_blob, d_account, d_mailbox, d_strict, d_message, d_flags, d_keywords, d_thread,
                      d_queued, d_defer)
               WITH ORDINALITY AS u(blob, account, mailbox, strict, message, flags, keywords, thread,
                                    queued, defer, ord)
    ), placed AS MATERIALIZED (
        SELECT d.*, s.account_id IS NOT NULL AS locked,
               a.state AS account_state,
               s.used_bytes + sum(d.size) OVER w > s.quota_bytes
                   OR s.used_messages + count(*) OVER w > s.quota_messages AS over_quota,
               COALESCE(
                   (SELECT m.id FROM mailbox m
                     WHERE m.account_id = d.account AND m.id = d.mailbox AND m.state = 0),
                   CASE WHEN NOT d.strict THEN
                   (SELECT m.id FROM mailbox m
                     WHERE m.account_id = d.account AND m.name = 'INBOX' AND m.state = 0) END) AS target
          FROM d
          LEFT JOIN account a ON a.id = d.account
          LEFT JOIN account_state s ON s.account_id = d.account AND d.account = ANY (v_locked)
        WINDOW w AS (PARTITION BY d.account ORDER BY d.ord)
    ), judged AS MATERIALIZED (
        SELECT p.*, (CASE
                 WHEN p.queued IS NOT NULL
                  AND NOT EXISTS (SELECT 1 FROM queue_recipient q WHERE q.id = p.queued) THEN 6
                 WHEN p.account_state IS NULL OR p.account_state = 2 THEN 2
                 WHEN p.defer THEN 5
                 WHEN NOT p.locked THEN 1
                 WHEN p.target IS NULL THEN 4
                 WHEN p.over_quota THEN 3
                 ELSE 0 END)::smallint AS outcome
          FROM placed p
    ), good AS MATERIALIZED (
        SELECT j.*, (row_number() OVER (PARTITION BY j.account, j.target ORDER BY j.ord) - 1)::int AS nth
          FROM judged j WHERE j.outcome = 0
    ), a AS (
        UPDATE account_state s
           SET modseq = s.modseq + 1, used_bytes = s.used_bytes + x.bytes,
               used_messages = s.used_messages + x.n
          FROM (SELECT g.account, sum(g.size)::bigint AS bytes, count(*) AS n FROM good g GROUP BY 1) x
         WHERE s.account_id = x.account
        RETURNING s.account_id, s.modseq
    ), m AS (
        UPDATE mailbox mb
           SET uidnext = mb.uidnext + x.n, total = mb.total + x.n, unseen = mb.unseen + x.unseen,
               deleted = mb.deleted + x.deleted, size = mb.size + x.bytes, highest_modseq = a.modseq
          FROM (SELECT g.account, g.target, count(*)::int AS n, sum(g.size)::bigint AS bytes,
                       count(*) FILTER (WHERE g.flags & 1 = 0)::int AS unseen,
                       count(*) FILTER (WHERE g.flags & 8 <> 0)::int AS deleted
                  FROM good g GROUP BY 1, 2) x
          JOIN a ON a.account_id = x.account
         WHERE mb.account_id = x.account AND mb.id = x.target
        RETURNING mb.account_id, mb.id, mb.uidnext - x.n AS first_uid, mb.uidvalidity, a.modseq
    ), th AS MATERIALIZED (
        SELECT t.ord, t.account, COALESCE(
                 (SELECT f.thread_id FROM unnest(r_thread, r_hash) AS r(thread, hash)
                   CROSS JOIN LATERAL (SELECT x.thread_id FROM thread_ref x
                         WHERE x.account_id = t.account AND x.ref_hash = r.hash OFFSET 0) f
                   WHERE r.thread = t.ord ORDER BY f.thread_id LIMIT 1), t.fallback) AS thread_id
          FROM unnest(t_account, t_default) WITH ORDINALITY AS t(account, fallback, ord)
    ), tr AS (
        INSERT INTO thread_ref (account_id, ref_hash, thread_id)
        SELECT th.account, r.hash, th.thread_id
          FROM unnest(r_thread, r_hash) AS r(thread, hash) JOIN th ON th.ord = r.thread
         WHERE EXISTS (SELECT 1 FROM good g WHERE g.thread = th.ord)
        ON CONFLICT DO NOTHING
    ), bl AS (
        INSERT INTO blob (id, object_key, length, size, blake3, refs)
        SELECT b_id[x.blob], b_key[x.blob], b_size[x.blob], b_size[x.blob], b_blake3[x.blob], x.refs
          FROM (SELECT j.blob, (count(*) FILTER (WHERE j.outcome = 0)
                       + CASE WHEN b_queue[j.blob] IS NOT NULL
                               AND bool_or(j.outcome IN (1, 3, 5)) THEN 1 ELSE 0 END)::int AS refs
                  FROM judged j GROUP BY j.blob) x
         WHERE b_new[x.blob] AND x.refs > 0
    ), bd AS (
        INSERT INTO blob_delta (blob_id, delta)
        SELECT b_id[g.blob], count(*) FROM good g WHERE NOT b_new[g.blob] GROUP BY g.blob
    ), mi AS (
        INSERT INTO message (account_id, id, blob_id, size, received_at, structure, preview)
        SELECT g.account, g.message, b_id[g.blob], g.size, b_received[g.blob], b_structure[g.blob],
               b_preview[g.blob]
          FROM good g
    ), mm AS (
        INSERT INTO mailbox_message (account_id, mailbox_id, uid, flags, modseq, message_id, thread_id,
                                     received_at, saved_at, size, keywords)
        SELECT g.account, g.target, m.first_uid + g.nth, g.flags, m.modseq, g.message, th.thread_id,
               b_received[g.blob], now(), g.size, string_to_array(g.keywords, ' ')
          FROM good g
          JOIN m ON m.account_id = g.account AND m.id = g.target
          JOIN th ON th.ord = g.thread
        RETURNING mailbox_message.message_id
    ), ch AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT x.account_id, x.modseq, (sum(x.n) OVER (PARTITION BY x.account_id ORDER BY x.id) - x.n)::int,
               1, 1, x.id, x.uids, x.ids
          FROM (SELECT m.account_id, m.id, m.modseq, count(*) AS n,
                       array_agg(m.first_uid + g.nth ORDER BY g.nth) AS uids,
                       array_agg(g.message ORDER BY g.nth) AS ids
                  FROM good g JOIN m ON m.account_id = g.account AND m.id = g.target
                 GROUP BY m.account_id, m.id, m.modseq) x
    )
    SELECT array_agg(j.outcome ORDER BY j.ord), array_agg(m.id ORDER BY j.ord),
           array_agg(m.uidvalidity ORDER BY j.ord),
           array_agg(m.first_uid + g.nth ORDER BY j.ord), array_agg(m.modseq ORDER BY j.ord),
           array_agg(th.thread_id ORDER BY j.ord),
           array_agg(j.queued) FILTER (WHERE j.outcome = 0 AND j.queued IS NOT NULL),
           (SELECT count(*) FROM mm)
      INTO v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread, v_settled, v_done
      FROM judged j
      LEFT JOIN good g ON g.ord = j.ord
      LEFT JOIN m ON m.account_id = g.account AND m.id = g.target
      LEFT JOIN th ON th.ord = j.thread;
    IF v_done <> (SELECT count(*) FROM unnest(v_outcome) o WHERE o = 0) THEN
        RAISE EXCEPTION 'deliver: % rows written for % deliveries', v_done, cardinality(v_outcome);
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(v_outcome) o WHERE o IN (1, 3, 5)) THEN
        PERFORM deliver_queue_v1(b_id, b_size, b_received, b_queue, b_tenant, b_reverse_path, b_envelope,
                                 d_blob, d_account, d_mailbox, d_recipient, d_queued, v_outcome);
    END IF;
    IF v_settled IS NOT NULL THEN
        PERFORM queue_settle_v1(v_settled);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread);
END $$;
CREATE FUNCTION public.deliver_v2(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags integer[], d_keywords text[], d_thread integer[], d_queued bigint[], d_defer boolean[], d_recipient text[], t_account integer[], t_default uuid[], r_thread integer[], r_hash bigint[], p_skip_busy boolean, b_offset integer[], b_delay double precision[], q_blob integer[], q_key bigint[], q_destination text[], q_tenant integer[], q_rank smallint[], q_recipient text[], q_envelope jsonb[], q_wait double precision[], q_expire double precision[], q_result jsonb[], q_of integer[], p_node uuid, s_settled_blob integer[], s_settled bigint[], s_delayed_blob integer[], s_delayed uuid[], d_tells integer[]) RETURNS TABLE(outcome smallint, mailbox_id uuid, uidvalidity integer, uid integer, modseq bigint, thread_id uuid)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_outcome  smallint[];
    v_mailbox  uuid[];
    v_validity int[];
    v_uid      int[];
    v_modseq   bigint[];
    v_thread   uuid[];
    v_blob     int;
    v_index    int;
    v_told     bigint[];
    v_row      bigint;
BEGIN
    -- Before the deliveries remove the rows, and perhaps their messages.
    FOREACH v_index IN ARRAY d_tells LOOP
        INSERT INTO queue_recipient (queue_id, tenant_id, recipient, envelope, due, state, destination, destination_key,
                                     expires_at, attempts, attempt, result)
        SELECT r.queue_id, r.tenant_id, r.recipient,
               COALESCE(NULLIF(r.envelope, '{}'), m.envelope->'recipients'->r.recipient, '{}'), now(), 3,
               lower(split_part(r.recipient, '@', -1)), 0, now(), 0, 0,
               '{"action": "delivered", "status": "2.0.0"}'
          FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id
         WHERE r.id = d_queued[v_index] FOR UPDATE OF m
        RETURNING id INTO v_row;
        v_told[v_index] := v_row;
    END LOOP;
    IF cardinality(d_blob) > 0 THEN
        SELECT array_agg(x.outcome ORDER BY x.ord), array_agg(x.mailbox ORDER BY x.ord),
               array_agg(x.validity ORDER BY x.ord), array_agg(x.uid ORDER BY x.ord),
               array_agg(x.modseq ORDER BY x.ord), array_agg(x.thread ORDER BY x.ord)
          INTO v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread
          FROM deliver_v1(b_id, b_key, b_size, b_blake3, b_structure, b_preview, b_received, b_new, b_queue,
                          b_tenant, b_reverse_path, b_envelope, d_blob, d_account, d_mailbox, d_strict, d_message,
                          d_flags, d_keywords, d_thread, d_queued, d_defer, d_recipient, t_account, t_default,
                          r_thread, r_hash, p_skip_busy)
               WITH ORDINALITY AS x(outcome, mailbox, validity, uid, modseq, thread, ord);
    END IF;
    IF v_told IS NOT NULL THEN
        DELETE FROM queue_recipient r USING unnest(v_told) WITH ORDINALITY AS t(id, ord)
         WHERE r.id = t.id AND v_outcome[array_lower(v_told, 1) + t.ord - 1] <> 0;
    END IF;
    IF cardinality(q_blob) > 0 THEN
        PERFORM queue_remote_v1(b_id, b_key, b_size, b_blake3, b_received, b_new, b_queue, b_tenant,
                                b_reverse_path, b_envelope, b_offset, b_delay, d_blob, v_outcome, q_blob, q_key,
                                q_destination, q_tenant, q_rank, q_recipient, q_envelope, q_wait, q_expire, q_result,
                                q_of);
    END IF;
    FOR v_blob IN SELECT DISTINCT u.blob FROM unnest(s_settled_blob || s_delayed_blob) u(blob) ORDER BY 1 LOOP
        PERFORM queue_report_v1(p_node,
            ARRAY(SELECT s.id FROM unnest(s_settled_blob, s_settled) s(blob, id) WHERE s.blob = v_blob),
            ARRAY(SELECT s.id FROM unnest(s_delayed_blob, s_delayed) s(blob, id) WHERE s.blob = v_blob),
            jsonb_build_object('report', b_id[v_blob]));
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread);
END $$;
CREATE FUNCTION public.deliver_v3(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], d_blob integer[], d_account integer[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags integer[], d_keywords text[], d_thread integer[], d_queued bigint[], d_defer boolean[], d_recipient text[], t_account integer[], t_default uuid[], r_thread integer[], r_hash bigint[], p_skip_busy boolean, b_offset integer[], b_delay double precision[], q_blob integer[], q_key bigint[], q_destination text[], q_tenant integer[], q_rank smallint[], q_recipient text[], q_envelope jsonb[], q_wait double precision[], q_expire double precision[], q_result jsonb[], q_of integer[], q_mine boolean[], p_owner uuid, p_node uuid, s_settled_blob integer[], s_settled bigint[], s_delayed_blob integer[], s_delayed uuid[], d_tells integer[]) RETURNS TABLE(outcome smallint, mailbox_id uuid, uidvalidity integer, uid integer, modseq bigint, thread_id uuid, recipient_id bigint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_outcome  smallint[];
    v_mailbox  uuid[];
    v_validity int[];
    v_uid      int[];
    v_modseq   bigint[];
    v_thread   uuid[];
    v_ord      int[];
    v_id       bigint[];
    v_blob     int;
    v_index    int;
    v_told     bigint[];
    v_row      bigint;
BEGIN
    -- Before the deliveries remove the rows, and perhaps their messages.
    FOREACH v_index IN ARRAY d_tells LOOP
        INSERT INTO queue_recipient (queue_id, tenant_id, recipient, envelope, due, state, destination, destination_key,
                                     expires_at, attempts, attempt, result)
        SELECT r.queue_id, r.tenant_id, r.recipient,
               COALESCE(NULLIF(r.envelope, '{}'), m.envelope->'recipients'->r.recipient, '{}'), now(), 3,
               lower(split_part(r.recipient, '@', -1)), 0, now(), 0, 0,
               '{"action": "delivered", "status": "2.0.0"}'
          FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id
         WHERE r.id = d_queued[v_index] FOR UPDATE OF m
        RETURNING id INTO v_row;
        v_told[v_index] := v_row;
    END LOOP;
    IF cardinality(d_blob) > 0 THEN
        SELECT array_agg(x.outcome ORDER BY x.ord), array_agg(x.mailbox ORDER BY x.ord),
               array_agg(x.validity ORDER BY x.ord), array_agg(x.uid ORDER BY x.ord),
               array_agg(x.modseq ORDER BY x.ord), array_agg(x.thread ORDER BY x.ord)
          INTO v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread
          FROM deliver_v1(b_id, b_key, b_size, b_blake3, b_structure, b_preview, b_received, b_new, b_queue,
                          b_tenant, b_reverse_path, b_envelope, d_blob, d_account, d_mailbox, d_strict, d_message,
                          d_flags, d_keywords, d_thread, d_queued, d_defer, d_recipient, t_account, t_default,
                          r_thread, r_hash, p_skip_busy)
               WITH ORDINALITY AS x(outcome, mailbox, validity, uid, modseq, thread, ord);
    END IF;
    IF v_told IS NOT NULL THEN
        DELETE FROM queue_recipient r USING unnest(v_told) WITH ORDINALITY AS t(id, ord)
         WHERE r.id = t.id AND v_outcome[array_lower(v_told, 1) + t.ord - 1] <> 0;
    END IF;
    IF cardinality(q_blob) > 0 THEN
        SELECT array_agg(x.ord ORDER BY x.ord), array_agg(x.id ORDER BY x.ord) INTO v_ord, v_id
          FROM queue_remote_v2(b_id, b_key, b_size, b_blake3, b_received, b_new, b_queue, b_tenant,
                               b_reverse_path, b_envelope, b_offset, b_delay, d_blob, v_outcome, q_blob, q_key,
                               q_destination, q_tenant, q_rank, q_recipient, q_envelope, q_wait, q_expire, q_result,
                               q_of, q_mine, p_owner) x;
    END IF;
    FOR v_blob IN SELECT DISTINCT u.blob FROM unnest(s_settled_blob || s_delayed_blob) u(blob) ORDER BY 1 LOOP
        PERFORM queue_report_v1(p_node,
            ARRAY(SELECT s.id FROM unnest(s_settled_blob, s_settled) s(blob, id) WHERE s.blob = v_blob),
            ARRAY(SELECT s.id FROM unnest(s_delayed_blob, s_delayed) s(blob, id) WHERE s.blob = v_blob),
            jsonb_build_object('report', b_id[v_blob]));
    END LOOP;
    RETURN QUERY SELECT u.*, NULL::bigint FROM unnest(v_outcome, v_mailbox, v_validity, v_uid, v_modseq, v_thread) u;
    RETURN QUERY SELECT NULL::smallint, NULL::uuid, NULL::int, o.ord, NULL::bigint, NULL::uuid, o.id
                   FROM unnest(v_ord, v_id) o(ord, id);
END $$;
CREATE FUNCTION public.expunge_v1(p_account integer, p_shard integer, p_mailbox uuid, p_uids integer[]) RETURNS TABLE(uids integer[], modseq bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_uids   int[];
BEGIN
    v_uids := remove_copies_v1(p_account, p_shard, p_mailbox, p_uids, true, v_modseq, 0);
    RETURN QUERY SELECT v_uids, v_modseq - (v_uids = '{}')::int;
END $$;
CREATE FUNCTION public.ingest_resolve_v1(p_blob uuid, p_key text) RETURNS boolean
    LANGUAGE plpgsql
    SET lock_timeout TO '2s'
    AS $$
BEGIN
    INSERT INTO blob (id, object_key, length, size, blake3, state, refs)
    VALUES (p_blob, p_key, 0, 0, '', 2, 0) ON CONFLICT (id) DO NOTHING;
    IF FOUND THEN
        RETURN false;
    END IF;
    RETURN (SELECT b.state = 0 FROM blob b WHERE b.id = p_blob);
END $$;
CREATE FUNCTION public.keywords_apply_v1(p_old text[], p_mode smallint, p_given text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
    v_new text[] := (
    SELECT array_agg(k ORDER BY lower(k)) FROM (
        SELECT DISTINCT ON (lower(x.k)) x.k FROM (
            SELECT k, 0 AS source FROM unnest(p_old) k WHERE p_mode <> 0
            UNION ALL
            SELECT k, 1 FROM unnest(p_given) k WHERE p_mode <> 2) x
         WHERE p_mode <> 2 OR lower(x.k) NOT IN (SELECT lower(g) FROM unnest(p_given) g)
         ORDER BY lower(x.k), x.source) y);
BEGIN
    IF p_mode <> 2 AND cardinality(v_new) > 200 THEN
        RAISE EXCEPTION 'too many keywords' USING ERRCODE = 'PR001';
    END IF;
    RETURN v_new;
END $$;
CREATE FUNCTION public.mailbox_create_v1(p_account integer, p_name text, p_role smallint, p_ids uuid[]) RETURNS TABLE(id uuid, modseq bigint)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.mailbox_delete_v1(p_account integer, p_name text) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.mailbox_parents_v1(p_name text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT array_to_string((string_to_array(p_name, '/'))[1:n], '/')
      FROM generate_series(1, array_length(string_to_array(p_name, '/'), 1) - 1) n ORDER BY n
$$;
CREATE FUNCTION public.mailbox_purge_v1(p_account integer, p_shard integer, p_mailbox uuid, p_limit integer) RETURNS boolean
    LANGUAGE plpgsql
    AS $_$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_uids   int[];
BEGIN
    IF NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account_id = p_account AND m.id = p_mailbox AND m.state = 1) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT array_agg(x.uid) FROM (SELECT t.uid FROM mailbox_message_%s t
                     WHERE t.account_id = $1 AND t.mailbox_id = $2 ORDER BY t.uid LIMIT $3) x', p_shard)
       INTO v_uids USING p_account, p_mailbox, p_limit;
    IF v_uids IS NULL THEN
        DELETE FROM mailbox m WHERE m.account_id = p_account AND m.id = p_mailbox AND m.state = 1;
        RETURN false;
    END IF;
    PERFORM remove_copies_v1(p_account, p_shard, p_mailbox, v_uids, false, v_modseq, 0);
    RETURN true;
END $_$;
CREATE FUNCTION public.mailbox_rename_v1(p_account integer, p_shard integer, p_from text, p_to text, p_ids uuid[], p_cap integer) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $_$
DECLARE
    v_modseq bigint;
    v_source mailbox%ROWTYPE;
    v_parent text;
    v_target uuid;
    v_uids   int[];
    v_pos    int;
BEGIN
    PERFORM account_lock_v1(p_account);
    SELECT * INTO v_source FROM mailbox m WHERE m.account_id = p_account AND m.name = p_from AND m.state = 0;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    IF EXISTS (SELECT 1 FROM mailbox m WHERE m.account_id = p_account AND m.name = p_to AND m.state = 0) THEN
        RAISE EXCEPTION 'mailbox exists' USING ERRCODE = 'PR001';
    END IF;
    IF p_from = 'INBOX' THEN
        IF v_source.total > p_cap THEN
            RAISE EXCEPTION 'too many messages' USING ERRCODE = 'PR001';
        END IF;
        SELECT c.id INTO v_target FROM mailbox_create_v1(p_account, p_to, 0::smallint, p_ids) c;
        EXECUTE format('SELECT array_agg(t.uid) FROM mailbox_message_%s t
                         WHERE t.account_id = $1 AND t.mailbox_id = $2', p_shard)
           INTO v_uids USING p_account, v_source.id;
        RETURN QUERY SELECT c.modseq
                       FROM copy_v1(p_account, p_shard, v_source.id, v_uids, v_target, true) c;
        RETURN;
    END IF;
    SELECT p.name INTO v_parent FROM mailbox_parents_v1(p_to) p(name)
     WHERE NOT EXISTS (SELECT 1 FROM mailbox m
                        WHERE m.account_id = p_account AND m.name = p.name AND m.state = 0)
     ORDER BY length(p.name) DESC LIMIT 1;
    IF FOUND THEN
        PERFORM mailbox_create_v1(p_account, v_parent, 0::smallint, p_ids);
    END IF;
    UPDATE account_state s SET modseq = s.modseq + 1 WHERE s.account_id = p_account
    RETURNING s.modseq INTO v_modseq;
    v_pos := 0;
    FOR v_target IN
        UPDATE mailbox m SET name = p_to || substr(m.name, length(p_from) + 1)
         WHERE m.account_id = p_account AND m.state = 0
           AND (m.name = p_from OR starts_with(m.name, p_from || '/'))
        RETURNING m.id
    LOOP
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
        VALUES (p_account, v_modseq, v_pos, 2, 2, v_target);
        v_pos := v_pos + 1;
    END LOOP;
    RETURN QUERY SELECT v_modseq;
END $_$;
CREATE FUNCTION public.maildrop_update_v1(p_account integer, p_shard integer, p_mailbox uuid, p_holder uuid, p_uids integer[], p_last boolean) RETURNS TABLE(uids integer[], modseq bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_uids   int[];
BEGIN
    PERFORM FROM maildrop_lock l WHERE l.account_id = p_account AND l.holder = p_holder FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'maildrop lock lost' USING ERRCODE = 'PR001';
    END IF;
    v_uids := remove_copies_v1(p_account, p_shard, p_mailbox, p_uids, false, v_modseq, 0);
    IF p_last THEN
        DELETE FROM maildrop_lock l WHERE l.account_id = p_account AND l.holder = p_holder;
    END IF;
    RETURN QUERY SELECT v_uids, v_modseq - (v_uids = '{}')::int;
END $$;
CREATE FUNCTION public.metadata_set_as_v1(p_user integer, p_account integer, p_mailbox uuid, p_entries text[], p_values bytea[], p_most integer, p_most_in_all integer) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $$
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
CREATE FUNCTION public.metadata_set_v1(p_account integer, p_mailbox uuid, p_entries text[], p_values bytea[], p_most integer, p_most_in_all integer) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_modseq  bigint := account_lock_v1(p_account) + 1;
    v_changed text[];
BEGIN
    IF p_mailbox <> '00000000-0000-0000-0000-000000000000' AND NOT EXISTS (SELECT 1 FROM mailbox m
             WHERE m.account_id = p_account AND m.id = p_mailbox AND m.state = 0) THEN
        RAISE EXCEPTION 'no such mailbox' USING ERRCODE = 'PR001';
    END IF;
    WITH given AS MATERIALIZED (
        SELECT DISTINCT ON (g.entry) g.entry, g.value
          FROM unnest(p_entries, p_values) WITH ORDINALITY AS g(entry, value, ord) ORDER BY g.entry, g.ord DESC
    ), gone AS (
        DELETE FROM annotation a USING given g
         WHERE a.account_id = p_account AND a.mailbox_id = p_mailbox AND a.entry = g.entry AND g.value IS NULL
        RETURNING a.entry
    ), made AS (
        INSERT INTO annotation AS a (account_id, mailbox_id, entry, value)
        SELECT p_account, p_mailbox, g.entry, g.value FROM given g WHERE g.value IS NOT NULL
        ON CONFLICT (account_id, mailbox_id, entry) DO UPDATE SET value = EXCLUDED.value
         WHERE a.value <> EXCLUDED.value
        RETURNING a.entry
    )
    SELECT array_agg(x.entry ORDER BY x.entry) INTO v_changed
      FROM (SELECT gone.entry FROM gone UNION ALL SELECT made.entry FROM made) x;
    IF v_changed IS NULL THEN
        RETURN QUERY SELECT v_modseq - 1;
        RETURN;
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(p_values) x WHERE x IS NOT NULL)
       AND ((SELECT count(*) FROM annotation a
              WHERE a.account_id = p_account AND a.mailbox_id = p_mailbox) > p_most
            OR (SELECT count(*) FROM annotation a WHERE a.account_id = p_account) > p_most_in_all) THEN
        RAISE EXCEPTION 'too many annotations' USING ERRCODE = 'PR001';
    END IF;
    UPDATE mailbox m SET highest_modseq = v_modseq WHERE m.account_id = p_account AND m.id = p_mailbox;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, names)
    VALUES (p_account, v_modseq, 0, 3, 2, p_mailbox, v_changed);
    RETURN QUERY SELECT v_modseq;
END $$;
CREATE FUNCTION public.queue_astray_v1(p_destination text, p_key bigint, p_limit bigint) RETURNS TABLE(id bigint, recipient text)
    LANGUAGE sql
    SET enable_seqscan TO 'off'
    AS $$
    (SELECT r.id, r.recipient FROM queue_recipient r
      WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
      ORDER BY r.destination_key, r.destination, r.tenant_id, r.rank, r.due LIMIT p_limit)
    UNION ALL
    (SELECT r.id, r.recipient FROM queue_recipient r
      WHERE r.state = 0 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
        AND r.due <= now()
      ORDER BY r.due LIMIT p_limit)
$$;
CREATE FUNCTION public.queue_change_v1(p_action text, p_ids bigint[], p_recipient text, p_destination text, p_key bigint, p_by text) RETURNS TABLE(id bigint, destination text)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    v_ids      bigint[];
    v_messages uuid[];
BEGIN
    SELECT array_agg(x.id), array_agg(DISTINCT x.queue_id) INTO v_ids, v_messages FROM (
        SELECT r.id, r.queue_id FROM queue_recipient r
         WHERE r.id = ANY (p_ids)
           AND CASE p_action
               WHEN 'retry' THEN r.state IN (0, 1, 9)
               WHEN 'redirect' THEN r.state IN (0, 1)
               WHEN 'hold' THEN r.state IN (0, 1, 2) AND NOT r.hold
               WHEN 'release' THEN r.hold
               ELSE r.state <> 3 END
         ORDER BY r.id FOR UPDATE SKIP LOCKED) x;
    INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, detail)
    SELECT r.queue_id, r.id, r.recipient, 4, jsonb_strip_nulls(jsonb_build_object(
               'action', p_action, 'by', p_by, 'recipient', p_recipient, 'destination', p_destination))
      FROM queue_recipient r WHERE r.id = ANY (v_ids) ORDER BY r.id;
    CASE p_action
    WHEN 'retry' THEN
        RETURN QUERY UPDATE queue_recipient r
           SET due = LEAST(r.due, now()), state = CASE r.state WHEN 9 THEN 9 ELSE 1 END
         WHERE r.id = ANY (v_ids) RETURNING r.id, r.destination;
    WHEN 'hold', 'release' THEN
        RETURN QUERY UPDATE queue_recipient r SET hold = p_action = 'hold'
         WHERE r.id = ANY (v_ids) RETURNING r.id, r.destination;
    WHEN 'redirect' THEN
        RETURN QUERY UPDATE queue_recipient r
           SET destination = p_destination, destination_key = p_key, state = 1, due = now(), attempts = 0,
               recipient = COALESCE(p_recipient, r.recipient),
               envelope = CASE WHEN p_recipient IS NULL OR r.envelope ? 'orcpt' THEN r.envelope
                               ELSE r.envelope || jsonb_build_object('orcpt',
                                    jsonb_build_array('rfc822', r.recipient)) END
         WHERE r.id = ANY (v_ids) RETURNING r.id, r.destination;
    WHEN 'cancel', 'bounce' THEN
        -- A settled row has no account: the binary before must not deliver it.
        RETURN QUERY UPDATE queue_recipient r
           SET state = 3, owner = NULL, due = now(), account_id = NULL, mailbox_id = NULL,
               destination = COALESCE(r.destination, lower(split_part(r.recipient, '@', -1))),
               destination_key = COALESCE(r.destination_key, 0), expires_at = COALESCE(r.expires_at, now()),
               envelope = COALESCE(NULLIF(r.envelope, '{}'), m.envelope->'recipients'->r.recipient, '{}'),
               result = '{"action": "failed", "status": "5.7.1", "text": "cancelled by an operator"}'
          FROM queue_message m
         WHERE r.id = ANY (v_ids) AND p_action = 'bounce' AND m.id = r.queue_id
           AND queue_wants_v1('failure', m.reverse_path, r.envelope, m.envelope, r.recipient)
        RETURNING r.id, r.destination;
        RETURN QUERY DELETE FROM queue_recipient r WHERE r.id = ANY (v_ids) AND r.state <> 3
        RETURNING r.id, r.destination;
        PERFORM queue_message_done_v1(v_messages);
    END CASE;
END $$;
CREATE FUNCTION public.queue_claim_v1(p_owner uuid, p_key bigint, p_destination text, p_most integer, p_after integer) RETURNS TABLE(id bigint, queue_id uuid, tenant_id integer, recipient text, rcpt jsonb, attempt integer, attempts integer, takeovers integer, rank smallint, blob_id uuid, object_key text, blob_offset bigint, size bigint, content_offset integer, reverse_path text, mail jsonb, received_at timestamp with time zone, age double precision, remaining double precision, delay_sent boolean, after_tenant integer)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_tenants int[];
    v_share   int;
BEGIN
    IF NOT EXISTS (SELECT FROM node_lease l WHERE l.incarnation = p_owner AND l.expires_at > now()) THEN
        RAISE EXCEPTION 'the lease does not run' USING ERRCODE = 'PR001';
    END IF;
    IF EXISTS (SELECT FROM queue_pause p WHERE p.destination IN ('*', p_destination)) THEN
        RETURN;
    END IF;
    WITH due AS MATERIALIZED (
        SELECT w.id FROM queue_recipient w
         WHERE w.state = 0 AND NOT w.hold AND w.destination_key = p_key AND w.due <= now()
         ORDER BY w.due LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE queue_recipient r SET state = 1 FROM due WHERE r.id = due.id;
    WITH RECURSIVE t AS (
        SELECT p_after AS tenant
        UNION ALL
        SELECT (SELECT r.tenant_id FROM queue_recipient r
                 WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                   AND r.destination = p_destination AND r.tenant_id > t.tenant
                 ORDER BY r.tenant_id LIMIT 1)
          FROM t WHERE t.tenant IS NOT NULL
    )
    SELECT array_agg(x.tenant) INTO v_tenants
      FROM (SELECT t.tenant FROM t WHERE t.tenant IS NOT NULL OFFSET 1 LIMIT 16) x;
    IF p_after > 0 AND COALESCE(cardinality(v_tenants), 0) < 16 THEN
        WITH RECURSIVE t AS (
            SELECT 0 AS tenant
            UNION ALL
            SELECT (SELECT r.tenant_id FROM queue_recipient r
                     WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                       AND r.destination = p_destination AND r.tenant_id > t.tenant AND r.tenant_id <= p_after
                     ORDER BY r.tenant_id LIMIT 1)
              FROM t WHERE t.tenant IS NOT NULL
        )
        SELECT v_tenants || array_agg(x.tenant) INTO v_tenants
          FROM (SELECT t.tenant FROM t WHERE t.tenant IS NOT NULL
                OFFSET 1 LIMIT 16 - COALESCE(cardinality(v_tenants), 0)) x;
    END IF;
    IF v_tenants IS NULL THEN
        RETURN;
    END IF;
    v_share := (p_most + cardinality(v_tenants) - 1) / cardinality(v_tenants);
    RETURN QUERY
    WITH picked AS MATERIALIZED (
        SELECT x.id, turn.ord, row_number() OVER (PARTITION BY turn.ord ORDER BY x.rank, x.due, x.id) AS nth
          FROM unnest(v_tenants) WITH ORDINALITY AS turn(tenant, ord)
         CROSS JOIN LATERAL (
               SELECT r.id, r.rank, r.due FROM queue_recipient r
                WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                  AND r.destination = p_destination AND r.tenant_id = turn.tenant AND r.due <= now()
                ORDER BY r.rank, r.due, r.id LIMIT v_share FOR NO KEY UPDATE SKIP LOCKED) x
    ), chosen AS MATERIALIZED (
        SELECT p.id, p.nth, p.ord FROM picked p ORDER BY p.nth, p.ord LIMIT p_most
    ), owned AS (
        UPDATE queue_recipient r SET state = 2, owner = p_owner, attempt = r.attempt + 1, due = now()
          FROM chosen c WHERE r.id = c.id
        RETURNING r.*, c.nth, c.ord
    )
    SELECT o.id, o.queue_id, o.tenant_id, o.recipient, o.envelope, o.attempt, o.attempts, o.takeovers, o.rank,
           m.blob_id, b.object_key, b."offset", m.size, m.content_offset, m.reverse_path, m.envelope,
           m.received_at, extract(epoch FROM now() - m.received_at)::float8,
           extract(epoch FROM o.expires_at - now())::float8, m.delay_sent,
           v_tenants[cardinality(v_tenants)]
      FROM owned o JOIN queue_message m ON m.id = o.queue_id JOIN blob b ON b.id = m.blob_id
     ORDER BY o.nth, o.ord;
END $$;
CREATE FUNCTION public.queue_claim_v2(p_owner uuid, p_key bigint, p_destination text, p_most integer, p_after integer) RETURNS TABLE(id bigint, queue_id uuid, tenant_id integer, recipient text, rcpt jsonb, attempt integer, attempts integer, takeovers integer, rank smallint, blob_id uuid, object_key text, blob_offset bigint, size bigint, content_offset integer, reverse_path text, mail jsonb, received_at timestamp with time zone, age double precision, remaining double precision, delay_sent boolean, after_tenant integer, more boolean)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_alive   boolean;
    v_paused  boolean;
    v_late    boolean;
    v_first   int;
    v_last    int;
    v_tenants int[];
    v_share   int;
BEGIN
    SELECT EXISTS (SELECT FROM node_lease l WHERE l.incarnation = p_owner AND l.expires_at > now()),
           EXISTS (SELECT FROM queue_pause p WHERE p.destination IN ('*', p_destination)),
           EXISTS (SELECT FROM queue_recipient w
                    WHERE w.state = 0 AND NOT w.hold AND w.destination_key = p_key AND w.due <= now()),
           (SELECT r.tenant_id FROM queue_recipient r
             WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
             ORDER BY r.tenant_id LIMIT 1),
           (SELECT r.tenant_id FROM queue_recipient r
             WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
             ORDER BY r.tenant_id DESC LIMIT 1)
      INTO v_alive, v_paused, v_late, v_first, v_last;
    IF NOT v_alive THEN
        RAISE EXCEPTION 'the lease does not run' USING ERRCODE = 'PR001';
    END IF;
    IF v_paused OR NOT v_late AND v_first IS NULL THEN
        RETURN;
    END IF;
    IF NOT v_late AND v_first = v_last THEN
        RETURN QUERY
        WITH picked AS MATERIALIZED (
            SELECT r.id, r.due FROM queue_recipient r
             WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
               AND r.tenant_id = v_first AND r.due <= now()
             ORDER BY r.rank, r.due, r.id LIMIT p_most FOR NO KEY UPDATE SKIP LOCKED
        ), owned AS (
            UPDATE queue_recipient r SET state = 2, owner = p_owner, attempt = r.attempt + 1, due = now()
              FROM picked p WHERE r.id = p.id
            RETURNING r.*, p.due AS was_due
        )
        SELECT o.id, o.queue_id, o.tenant_id, o.recipient, o.envelope, o.attempt, o.attempts, o.takeovers, o.rank,
               m.blob_id, b.object_key, b."offset", m.size, m.content_offset, m.reverse_path, m.envelope,
               m.received_at, extract(epoch FROM now() - m.received_at)::float8,
               extract(epoch FROM o.expires_at - now())::float8, m.delay_sent, v_first,
               (SELECT count(*) FROM picked p) >= p_most
          FROM owned o JOIN queue_message m ON m.id = o.queue_id JOIN blob b ON b.id = m.blob_id
         ORDER BY o.rank, o.was_due, o.id;
        RETURN;
    END IF;
    WITH due AS MATERIALIZED (
        SELECT w.id FROM queue_recipient w
         WHERE w.state = 0 AND NOT w.hold AND w.destination_key = p_key AND w.due <= now()
         ORDER BY w.due LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE queue_recipient r SET state = 1 FROM due WHERE r.id = due.id;
    WITH RECURSIVE t AS (
        SELECT p_after AS tenant
        UNION ALL
        SELECT (SELECT r.tenant_id FROM queue_recipient r
                 WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                   AND r.destination = p_destination AND r.tenant_id > t.tenant
                 ORDER BY r.tenant_id LIMIT 1)
          FROM t WHERE t.tenant IS NOT NULL
    )
    SELECT array_agg(x.tenant) INTO v_tenants
      FROM (SELECT t.tenant FROM t WHERE t.tenant IS NOT NULL OFFSET 1 LIMIT 16) x;
    IF p_after > 0 AND COALESCE(cardinality(v_tenants), 0) < 16 THEN
        WITH RECURSIVE t AS (
            SELECT 0 AS tenant
            UNION ALL
            SELECT (SELECT r.tenant_id FROM queue_recipient r
                     WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                       AND r.destination = p_destination AND r.tenant_id > t.tenant AND r.tenant_id <= p_after
                     ORDER BY r.tenant_id LIMIT 1)
              FROM t WHERE t.tenant IS NOT NULL
        )
        SELECT v_tenants || array_agg(x.tenant) INTO v_tenants
          FROM (SELECT t.tenant FROM t WHERE t.tenant IS NOT NULL
                OFFSET 1 LIMIT 16 - COALESCE(cardinality(v_tenants), 0)) x;
    END IF;
    IF v_tenants IS NULL THEN
        RETURN;
    END IF;
    v_share := (p_most + cardinality(v_tenants) - 1) / cardinality(v_tenants);
    RETURN QUERY
    WITH picked AS MATERIALIZED (
        SELECT x.id, turn.ord, row_number() OVER (PARTITION BY turn.ord ORDER BY x.rank, x.due, x.id) AS nth
          FROM unnest(v_tenants) WITH ORDINALITY AS turn(tenant, ord)
         CROSS JOIN LATERAL (
               SELECT r.id, r.rank, r.due FROM queue_recipient r
                WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key
                  AND r.destination = p_destination AND r.tenant_id = turn.tenant AND r.due <= now()
                ORDER BY r.rank, r.due, r.id LIMIT v_share FOR NO KEY UPDATE SKIP LOCKED) x
    ), chosen AS MATERIALIZED (
        SELECT p.id, p.nth, p.ord FROM picked p ORDER BY p.nth, p.ord LIMIT p_most
    ), owned AS (
        UPDATE queue_recipient r SET state = 2, owner = p_owner, attempt = r.attempt + 1, due = now()
          FROM chosen c WHERE r.id = c.id
        RETURNING r.*, c.nth, c.ord
    )
    SELECT o.id, o.queue_id, o.tenant_id, o.recipient, o.envelope, o.attempt, o.attempts, o.takeovers, o.rank,
           m.blob_id, b.object_key, b."offset", m.size, m.content_offset, m.reverse_path, m.envelope,
           m.received_at, extract(epoch FROM now() - m.received_at)::float8,
           extract(epoch FROM o.expires_at - now())::float8, m.delay_sent,
           v_tenants[cardinality(v_tenants)],
           cardinality(v_tenants) = 16 OR EXISTS (SELECT FROM picked p WHERE p.nth = v_share)
      FROM owned o JOIN queue_message m ON m.id = o.queue_id JOIN blob b ON b.id = m.blob_id
     ORDER BY o.nth, o.ord;
END $$;
CREATE FUNCTION public.queue_end_v1(p_ids bigint[], p_node uuid, p_outcome smallint, p_action text, p_result jsonb) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_messages uuid[];
BEGIN
    WITH j AS MATERIALIZED (
        SELECT r.id, r.queue_id, r.recipient, m.reverse_path, m.received_at,
               queue_wants_v1(CASE p_action WHEN 'failed' THEN 'failure' ELSE 'success' END, m.reverse_path, r.envelope,
                              m.envelope, r.recipient) AS report
          FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id
         WHERE r.id = ANY (p_ids) AND r.state IN (0, 1)
    ), gone AS (
        DELETE FROM queue_recipient r USING j WHERE r.id = j.id AND NOT j.report RETURNING r.queue_id
    ), kept AS (
        UPDATE queue_recipient r
           SET state = 3, due = now(), hold = false,
               result = COALESCE(r.result, '{}') || p_result || jsonb_build_object('action', p_action)
          FROM j WHERE r.id = j.id AND j.report
    ), e AS (
        INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, node, outcome, detail, reverse_path, received_at)
        SELECT j.queue_id, j.id, j.recipient, 5, p_node, p_outcome,
               p_result || jsonb_build_object('action', p_action), j.reverse_path, j.received_at
          FROM j ORDER BY j.id
    )
    SELECT array_agg(DISTINCT g.queue_id) INTO v_messages FROM gone g;
    IF v_messages IS NOT NULL THEN
        PERFORM queue_message_done_v1(v_messages);
    END IF;
END $$;
CREATE FUNCTION public.queue_events_prune_v1(p_before uuid, p_age double precision, p_limit bigint) RETURNS bigint
    LANGUAGE sql
    SET enable_seqscan TO 'off'
    AS $$
    WITH gone AS (
        DELETE FROM queue_event WHERE ctid = ANY (ARRAY(
            SELECT e.ctid FROM queue_event e
             WHERE e.queue_id < p_before AND e.at < now() - make_interval(secs => p_age)
               AND NOT EXISTS (SELECT FROM queue_message m WHERE m.id = e.queue_id)
             ORDER BY e.queue_id, e.id LIMIT p_limit))
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
CREATE FUNCTION public.queue_expire_v1(p_node uuid, p_grace double precision, p_limit bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_ids bigint[];
BEGIN
    SELECT array_agg(x.id) INTO v_ids FROM (
        SELECT r.id FROM queue_recipient r
         WHERE r.state IN (0, 1) AND r.expires_at <= now() - make_interval(secs => p_grace)
         ORDER BY r.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED) x;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM queue_end_v1(v_ids, p_node, 2::smallint, 'failed', '{"expired": true}');
    RETURN cardinality(v_ids);
END $$;
CREATE FUNCTION public.queue_free_state_v1(p_due timestamp with time zone) RETURNS smallint
    LANGUAGE sql STABLE
    AS $$
    SELECT (CASE WHEN p_due <= now() THEN 1 ELSE 0 END)::smallint
$$;
CREATE FUNCTION public.queue_free_v1(p_owner uuid, p_known bigint[], p_age double precision) RETURNS SETOF text
    LANGUAGE sql
    SET enable_seqscan TO 'off'
    AS $$
    WITH locked AS MATERIALIZED (
        SELECT r.id FROM queue_recipient r
         WHERE r.state = 2 AND r.owner = p_owner AND r.due <= now() - make_interval(secs => p_age)
           AND (p_known IS NULL OR r.id <> ALL (p_known))
         FOR NO KEY UPDATE SKIP LOCKED
    ), freed AS (
        UPDATE queue_recipient r SET state = queue_free_state_v1(r.due), owner = NULL
          FROM locked l WHERE r.id = l.id RETURNING r.destination)
    SELECT DISTINCT f.destination FROM freed f ORDER BY 1
$$;
CREATE FUNCTION public.queue_home_v1(p_id bigint, p_node uuid, p_accounts integer[], p_result jsonb) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
    v_row      queue_recipient%ROWTYPE;
    v_accounts int[];
BEGIN
    SELECT r.* INTO v_row FROM queue_recipient r
     WHERE r.id = p_id AND r.state IN (0, 1) AND NOT r.hold FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF COALESCE(cardinality(p_accounts), 0) = 0 THEN
        UPDATE queue_recipient r
           SET state = 0, due = now() + interval '5 minutes', last_error = p_result->>'text', result = p_result
         WHERE r.id = p_id AND EXISTS (SELECT FROM domain d WHERE d.name = v_row.destination
                                          AND d.created_at > now() - interval '1 hour');
        IF FOUND THEN
            RETURN true;
        END IF;
        PERFORM queue_end_v1(ARRAY[p_id], p_node, 1::smallint, 'failed', p_result);
        RETURN true;
    END IF;
    -- Of two recipients of one message that lead to one account the second sees the first.
    PERFORM FROM queue_message m WHERE m.id = v_row.queue_id FOR UPDATE;
    -- A copy is younger than its message, and ids are in the order of time; nodes' clocks are, to a minute.
    SELECT array_agg(a.account ORDER BY a.ord) INTO v_accounts
      FROM unnest(p_accounts) WITH ORDINALITY a(account, ord)
     WHERE NOT EXISTS (SELECT FROM queue_recipient o WHERE o.queue_id = v_row.queue_id AND o.account_id = a.account)
       AND NOT EXISTS (
           SELECT FROM queue_message m JOIN message g ON g.blob_id = m.blob_id
            WHERE m.id = v_row.queue_id AND g.account_id = a.account
              AND g.id >= (lpad(to_hex(((extract(epoch FROM m.received_at) - 60) * 1000)::bigint), 12, '0')
                           || repeat('0', 20))::uuid);
    IF v_accounts IS NULL THEN
        PERFORM queue_end_v1(ARRAY[p_id], p_node, 0::smallint, 'delivered',
                             '{"status": "2.0.0", "text": "its mailbox has it already"}');
        RETURN true;
    END IF;
    INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, node, detail)
    VALUES (v_row.queue_id, v_row.id, v_row.recipient, 5, p_node,
            jsonb_build_object('action', 'home', 'accounts', to_jsonb(v_accounts)));
    INSERT INTO queue_recipient (queue_id, tenant_id, account_id, recipient, envelope, due)
    SELECT v_row.queue_id, v_row.tenant_id, a.account, v_row.recipient, v_row.envelope, now()
      FROM unnest(v_accounts[2:]) a(account);
    UPDATE queue_recipient r
       SET state = 9, account_id = v_accounts[1], destination = NULL, destination_key = NULL, expires_at = NULL,
           due = now(), attempts = 0, last_error = '', result = NULL
     WHERE r.id = p_id;
    RETURN true;
END $$;
CREATE FUNCTION public.queue_local_end_v1(p_id bigint, p_result jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM FROM queue_message m
     WHERE m.id = (SELECT r.queue_id FROM queue_recipient r WHERE r.id = p_id AND r.state = 9) FOR UPDATE;
    UPDATE queue_recipient r
       SET state = 3, due = now(), account_id = NULL, mailbox_id = NULL, expires_at = now(),
           destination = lower(split_part(r.recipient, '@', -1)), destination_key = 0,
           envelope = COALESCE(NULLIF(r.envelope, '{}'), m.envelope->'recipients'->r.recipient, '{}'),
           result = p_result || '{"action": "failed"}'
      FROM queue_message m
     WHERE r.id = p_id AND r.state = 9 AND m.id = r.queue_id
       AND queue_wants_v1('failure', m.reverse_path, r.envelope, m.envelope, r.recipient);
    IF FOUND THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM queue_recipient r WHERE r.id = p_id AND r.state = 9) THEN
        RAISE EXCEPTION 'no longer queued' USING ERRCODE = 'PR001';
    END IF;
    PERFORM queue_settle_v1(ARRAY[p_id]);
END $$;
CREATE FUNCTION public.queue_message_done_v1(p_messages uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
    PERFORM FROM queue_message m
      WHERE m.id = ANY (p_messages) AND EXISTS (SELECT FROM queue_recipient r WHERE r.queue_id = m.id)
      ORDER BY m.id FOR UPDATE;
    WITH gone AS (
        DELETE FROM queue_message m WHERE m.id = ANY (p_messages)
           AND NOT EXISTS (SELECT FROM queue_recipient r WHERE r.queue_id = m.id)
        RETURNING m.blob_id)
    INSERT INTO blob_delta (blob_id, delta) SELECT g.blob_id, -1 FROM gone g;
END $$;
CREATE FUNCTION public.queue_record_v1(p_owner uuid, p_id bigint[], p_attempt integer[], p_ruling smallint[], p_report boolean[], p_wait double precision[], p_used boolean[], p_error text[], p_queue uuid[], p_recipient text[], p_detail jsonb[]) RETURNS smallint[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_outcome  smallint[];
    v_messages uuid[];
BEGIN
    WITH l AS MATERIALIZED (
        SELECT q.id, q.queue_id, q.state, q.owner, q.attempt FROM queue_recipient q
         WHERE q.id = ANY (p_id) AND q.state <> 9 ORDER BY q.id FOR UPDATE
    ), j AS MATERIALIZED (
        SELECT r.*, l.queue_id AS message, now() + make_interval(secs => r.wait) AS next,
               (CASE WHEN l.id IS NULL OR l.state = 3 THEN 2
                     WHEN r.ruling = 0 OR l.state = 2 AND l.owner = p_owner AND l.attempt = r.attempt THEN 0
                     ELSE 1 END)::smallint AS outcome
          FROM unnest(p_id, p_attempt, p_ruling, p_report, p_wait, p_used, p_error, p_queue, p_recipient, p_detail)
               WITH ORDINALITY AS r(id, attempt, ruling, report, wait, used, error, queue, recipient, detail, ord)
          LEFT JOIN l ON l.id = r.id
    ), gone AS (
        DELETE FROM queue_recipient q USING j
         WHERE q.id = j.id AND j.outcome = 0 AND j.ruling <> 3 AND NOT j.report
        RETURNING q.queue_id
    ), kept AS (
        UPDATE queue_recipient q
           SET state = CASE j.ruling WHEN 3 THEN queue_free_state_v1(j.next) ELSE 3 END, owner = NULL,
               due = CASE j.ruling WHEN 3 THEN j.next ELSE now() END,
               attempts = q.attempts + j.used::int,
               last_error = COALESCE(j.error, q.last_error),
               result = CASE WHEN j.ruling = 3 THEN COALESCE(j.detail, q.result)
                             ELSE COALESCE(j.detail, q.result, '{}') || jsonb_build_object('action',
                                  CASE j.ruling WHEN 0 THEN 'relayed' ELSE 'failed' END,
                                  'expired', j.ruling = 2) END
          FROM j WHERE q.id = j.id AND j.outcome = 0 AND (j.ruling = 3 OR j.report)
    ), e AS (
        INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, node, attempt, outcome, recorded, detail,
                                 reverse_path, received_at)
        SELECT j.queue, j.id, j.recipient, 1, p_owner, j.attempt, j.ruling, j.outcome, COALESCE(j.detail, '{}'),
               m.reverse_path, m.received_at
          FROM j LEFT JOIN queue_message m ON m.id = j.message AND j.ruling <> 3
         WHERE j.queue IS NOT NULL ORDER BY j.ord
    )
    SELECT array_agg(j.outcome ORDER BY j.ord), (SELECT array_agg(DISTINCT g.queue_id) FROM gone g)
      INTO v_outcome, v_messages FROM j;
    IF v_messages IS NOT NULL THEN
        PERFORM queue_message_done_v1(v_messages);
    END IF;
    RETURN v_outcome;
END $$;
CREATE FUNCTION public.queue_remote_v1(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], b_offset integer[], b_delay double precision[], d_blob integer[], d_outcome smallint[], q_blob integer[], q_key bigint[], q_destination text[], q_tenant integer[], q_rank smallint[], q_recipient text[], q_envelope jsonb[], q_wait double precision[], q_expire double precision[], q_result jsonb[], q_of integer[]) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_count int;
BEGIN
    IF EXISTS (SELECT FROM unnest(q_blob) u(blob) WHERE NOT b_new[u.blob] OR b_queue[u.blob] IS NULL) THEN
        RAISE EXCEPTION 'queue_remote: a message that is not new, or has no envelope';
    END IF;
    WITH q AS MATERIALIZED (
        SELECT u.* FROM unnest(q_blob, q_key, q_destination, q_tenant, q_rank, q_recipient, q_envelope, q_wait,
                               q_expire, q_result, q_of) WITH ORDINALITY
               AS u(blob, key, destination, tenant, rank, recipient, envelope, wait, expire, result, delivery, ord)
         WHERE u.delivery IS NULL OR d_outcome[u.delivery] = 0
    ), b AS MATERIALIZED (
        SELECT x.blob, x.waits, COALESCE(o.placed, false) AS placed, COALESCE(o.queued, false) AS queued
          FROM (SELECT q.blob, bool_or(q.result IS NULL) AS waits FROM q GROUP BY 1) x
          LEFT JOIN (SELECT d.blob, bool_or(d.outcome = 0) AS placed, bool_or(d.outcome IN (1, 3, 5)) AS queued
                       FROM unnest(d_blob, d_outcome) d(blob, outcome) GROUP BY 1) o ON o.blob = x.blob
    ), born AS (
        INSERT INTO blob (id, object_key, length, size, blake3, refs)
        SELECT b_id[b.blob], b_key[b.blob], b_size[b.blob], b_size[b.blob], b_blake3[b.blob], 1
          FROM b WHERE NOT b.placed AND NOT b.queued
    ), one_more AS (
        UPDATE blob t SET refs = t.refs + 1 FROM b
         WHERE t.id = b_id[b.blob] AND t.state = 0 AND b.placed AND NOT b.queued
        RETURNING 1
    ), new AS (
        INSERT INTO queue_message (id, tenant_id, blob_id, reverse_path, size, received_at, envelope, content_offset,
                                   delay_at)
        SELECT b_queue[b.blob], b_tenant[b.blob], b_id[b.blob], b_reverse_path[b.blob], b_size[b.blob],
               b_received[b.blob], b_envelope[b.blob], b_offset[b.blob],
               CASE WHEN b.waits THEN now() + make_interval(secs => b_delay[b.blob]) END
          FROM b WHERE NOT b.queued
    ), old AS (
        UPDATE queue_message m
           SET content_offset = b_offset[b.blob],
               delay_at = CASE WHEN b.waits THEN now() + make_interval(secs => b_delay[b.blob]) END
          FROM b WHERE m.id = b_queue[b.blob] AND b.queued
        RETURNING 1
    ), r AS (
        INSERT INTO queue_recipient (queue_id, tenant_id, recipient, envelope, due, state, destination,
                                     destination_key, rank, expires_at, result)
        SELECT b_queue[q.blob], q.tenant, q.recipient, COALESCE(q.envelope, '{}'),
               now() + make_interval(secs => q.wait),
               CASE WHEN q.result IS NOT NULL THEN 3 WHEN q.wait > 0 THEN 0 ELSE 1 END,
               q.destination, q.key, q.rank, now() + make_interval(secs => q.expire), q.result
          FROM q ORDER BY q.ord
    )
    SELECT (SELECT count(*) FROM b WHERE b.queued OR b.placed)
         - (SELECT count(*) FROM one_more) - (SELECT count(*) FROM old) INTO v_count;
    IF v_count <> 0 THEN
        RAISE EXCEPTION 'queue_remote: a message that was just made is not there';
    END IF;
END $$;
CREATE FUNCTION public.queue_remote_v2(b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_received timestamp with time zone[], b_new boolean[], b_queue uuid[], b_tenant integer[], b_reverse_path text[], b_envelope jsonb[], b_offset integer[], b_delay double precision[], d_blob integer[], d_outcome smallint[], q_blob integer[], q_key bigint[], q_destination text[], q_tenant integer[], q_rank smallint[], q_recipient text[], q_envelope jsonb[], q_wait double precision[], q_expire double precision[], q_result jsonb[], q_of integer[], q_mine boolean[], p_owner uuid) RETURNS TABLE(ord integer, id bigint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_count int;
    v_owner uuid;
    v_ord   int[];
    v_id    bigint[];
BEGIN
    IF EXISTS (SELECT FROM unnest(q_blob) u(blob) WHERE NOT b_new[u.blob] OR b_queue[u.blob] IS NULL) THEN
        RAISE EXCEPTION 'queue_remote: a message that is not new, or has no envelope';
    END IF;
    IF true = ANY (q_mine) THEN
        SELECT l.incarnation INTO v_owner FROM node_lease l
         WHERE l.incarnation = p_owner AND l.expires_at > now();
    END IF;
    WITH q AS MATERIALIZED (
        SELECT u.*, nextval('queue_recipient_id_seq') AS id,
               u.mine AND v_owner IS NOT NULL AND u.result IS NULL AND u.wait <= 0
               AND NOT EXISTS (SELECT FROM queue_pause p WHERE p.destination IN ('*', u.destination)) AS owned
          FROM unnest(q_blob, q_key, q_destination, q_tenant, q_rank, q_recipient, q_envelope, q_wait,
                      q_expire, q_result, q_of, q_mine) WITH ORDINALITY
               AS u(blob, key, destination, tenant, rank, recipient, envelope, wait, expire, result, delivery, mine, ord)
         WHERE u.delivery IS NULL OR d_outcome[u.delivery] = 0
    ), b AS MATERIALIZED (
        SELECT x.blob, x.waits, COALESCE(o.placed, false) AS placed, COALESCE(o.queued, false) AS queued
          FROM (SELECT q.blob, bool_or(q.result IS NULL) AS waits FROM q GROUP BY 1) x
          LEFT JOIN (SELECT d.blob, bool_or(d.outcome = 0) AS placed, bool_or(d.outcome IN (1, 3, 5)) AS queued
                       FROM unnest(d_blob, d_outcome) d(blob, outcome) GROUP BY 1) o ON o.blob = x.blob
    ), born AS (
        INSERT INTO blob (id, object_key, length, size, blake3, refs)
        SELECT b_id[b.blob], b_key[b.blob], b_size[b.blob], b_size[b.blob], b_blake3[b.blob], 1
          FROM b WHERE NOT b.placed AND NOT b.queued
    ), one_more AS (
        UPDATE blob t SET refs = t.refs + 1 FROM b
         WHERE t.id = b_id[b.blob] AND t.state = 0 AND b.placed AND NOT b.queued
        RETURNING 1
    ), new AS (
        INSERT INTO queue_message (id, tenant_id, blob_id, reverse_path, size, received_at, envelope, content_offset,
                                   delay_at)
        SELECT b_queue[b.blob], b_tenant[b.blob], b_id[b.blob], b_reverse_path[b.blob], b_size[b.blob],
               b_received[b.blob], b_envelope[b.blob], b_offset[b.blob],
               CASE WHEN b.waits THEN now() + make_interval(secs => b_delay[b.blob]) END
          FROM b WHERE NOT b.queued
    ), old AS (
        UPDATE queue_message m
           SET content_offset = b_offset[b.blob],
               delay_at = CASE WHEN b.waits THEN now() + make_interval(secs => b_delay[b.blob]) END
          FROM b WHERE m.id = b_queue[b.blob] AND b.queued
        RETURNING 1
    ), r AS (
        INSERT INTO queue_recipient (id, queue_id, tenant_id, recipient, envelope, due, state, owner, attempt,
                                     destination, destination_key, rank, expires_at, result)
        OVERRIDING SYSTEM VALUE
        SELECT q.id, b_queue[q.blob], q.tenant, q.recipient, COALESCE(q.envelope, '{}'),
               now() + make_interval(secs => q.wait),
               CASE WHEN q.owned THEN 2 WHEN q.result IS NOT NULL THEN 3 WHEN q.wait > 0 THEN 0 ELSE 1 END,
               CASE WHEN q.owned THEN v_owner END, q.owned::int,
               q.destination, q.key, q.rank, now() + make_interval(secs => q.expire), q.result
          FROM q ORDER BY q.ord
    )
    SELECT (SELECT count(*) FROM b WHERE b.queued OR b.placed)
         - (SELECT count(*) FROM one_more) - (SELECT count(*) FROM old),
           (SELECT array_agg(q.ord::int ORDER BY q.ord) FROM q WHERE q.owned),
           (SELECT array_agg(q.id ORDER BY q.ord) FROM q WHERE q.owned)
      INTO v_count, v_ord, v_id;
    IF v_count <> 0 THEN
        RAISE EXCEPTION 'queue_remote: a message that was just made is not there';
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_ord, v_id);
END $$;
CREATE FUNCTION public.queue_report_v1(p_node uuid, p_settled bigint[], p_delayed uuid[], p_detail jsonb) RETURNS void
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_messages uuid[];
    v_count    int;
BEGIN
    WITH gone AS (
        DELETE FROM queue_recipient r WHERE r.id = ANY (p_settled) AND r.state = 3
        RETURNING r.id, r.queue_id, r.recipient
    ), e AS (
        INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, node, detail)
        SELECT g.queue_id, g.id, g.recipient, 3, p_node, p_detail FROM gone g
    )
    SELECT count(*), array_agg(DISTINCT g.queue_id) INTO v_count, v_messages FROM gone g;
    IF v_count <> COALESCE(cardinality(p_settled), 0) THEN
        RAISE EXCEPTION 'no longer queued' USING ERRCODE = 'PR001';
    END IF;
    IF v_messages IS NOT NULL THEN
        PERFORM queue_message_done_v1(v_messages);
    END IF;
    WITH late AS (
        UPDATE queue_message m SET delay_at = NULL, delay_sent = true
         WHERE m.id = ANY (p_delayed) AND m.delay_at IS NOT NULL RETURNING m.id
    ), e AS (
        INSERT INTO queue_event (queue_id, kind, node, detail)
        SELECT l.id, 3, p_node, p_detail || '{"action": "delayed"}' FROM late l
    )
    SELECT count(*) INTO v_count FROM late;
    IF v_count <> COALESCE(cardinality(p_delayed), 0) THEN
        RAISE EXCEPTION 'no longer queued' USING ERRCODE = 'PR001';
    END IF;
END $$;
CREATE FUNCTION public.queue_select_v1(p_ids bigint[], p_queues uuid[], p_domain text, p_sender text, p_recipient text, p_state smallint, p_tenant integer, p_older double precision, p_after bigint, p_limit integer) RETURNS SETOF bigint
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS $$
BEGIN
    RETURN QUERY
    SELECT r.id FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id
     WHERE (p_ids IS NULL OR r.id = ANY (p_ids))
       AND (p_queues IS NULL OR r.queue_id = ANY (p_queues))
       AND (p_domain IS NULL OR r.destination = p_domain
            OR r.state = 9 AND lower(split_part(r.recipient, '@', -1)) = p_domain)
       AND (p_sender IS NULL OR lower(m.reverse_path) = lower(p_sender)
            OR p_sender LIKE '@%' AND lower('@' || split_part(m.reverse_path, '@', -1)) = lower(p_sender))
       AND (p_recipient IS NULL OR lower(r.recipient) = lower(p_recipient))
       AND (p_tenant IS NULL OR r.tenant_id = p_tenant)
       AND (p_older IS NULL OR m.received_at < now() - make_interval(secs => p_older))
       AND CASE WHEN p_state IS NULL THEN true
                WHEN p_state = 10 THEN r.hold
                WHEN p_state = 0 THEN r.state = 0 AND r.due > now() AND NOT r.hold
                WHEN p_state = 1 THEN (r.state = 1 OR r.state = 0 AND r.due <= now()) AND NOT r.hold
                ELSE r.state = p_state END
       AND r.id > p_after
     ORDER BY r.id LIMIT p_limit;
END $$;
CREATE FUNCTION public.queue_settle_v1(p_recipients bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_messages uuid[];
    v_count    int;
BEGIN
    SELECT array_agg(l.id) INTO v_messages FROM (
        SELECT m.id FROM queue_message m
         WHERE m.id IN (SELECT r.queue_id FROM queue_recipient r WHERE r.id = ANY (p_recipients))
         ORDER BY m.id FOR UPDATE) l;
    DELETE FROM queue_recipient r WHERE r.id = ANY (p_recipients);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_recipients) THEN
        RAISE EXCEPTION 'no longer queued' USING ERRCODE = 'PR001';
    END IF;
    WITH gone AS (
        DELETE FROM queue_message m WHERE m.id = ANY (v_messages)
           AND NOT EXISTS (SELECT 1 FROM queue_recipient r WHERE r.queue_id = m.id)
        RETURNING m.blob_id)
    INSERT INTO blob_delta (blob_id, delta) SELECT g.blob_id, -1 FROM gone g;
END $$;
CREATE FUNCTION public.queue_sweep_v1(p_from bigint, p_limit integer) RETURNS TABLE(key bigint, destination text, overdue double precision, steps integer, paused boolean)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
BEGIN
    WITH due AS MATERIALIZED (
        SELECT w.id FROM queue_recipient w WHERE w.state = 0 AND NOT w.hold AND w.due <= now()
         ORDER BY w.due LIMIT 5000 FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE queue_recipient r SET state = 1 FROM due WHERE r.id = due.id;
    RETURN QUERY
    WITH RECURSIVE g AS (
        (SELECT r.destination_key, r.destination, r.tenant_id, r.rank, r.due, 1 AS n FROM queue_recipient r
          WHERE r.state = 1 AND NOT r.hold AND r.destination_key > p_from
          ORDER BY r.destination_key, r.destination, r.tenant_id, r.rank, r.due LIMIT 1)
        UNION ALL
        SELECT x.destination_key, x.destination, x.tenant_id, x.rank, x.due, g.n + 1
          FROM g CROSS JOIN LATERAL (
               SELECT r.destination_key, r.destination, r.tenant_id, r.rank, r.due FROM queue_recipient r
                WHERE r.state = 1 AND NOT r.hold
                  AND (r.destination_key, r.destination, r.tenant_id, r.rank)
                    > (g.destination_key, g.destination, g.tenant_id, g.rank)
                ORDER BY r.destination_key, r.destination, r.tenant_id, r.rank, r.due LIMIT 1) x
         WHERE g.n < p_limit
    )
    SELECT x.*, EXISTS (SELECT FROM queue_pause p WHERE p.destination IN ('*', x.destination))
      FROM (SELECT g.destination_key, g.destination, extract(epoch FROM now() - min(g.due))::float8, max(g.n)
              FROM g GROUP BY 1, 2 ORDER BY 1, 2) x;
END $$;
CREATE FUNCTION public.queue_take_over_v1(p_by uuid, p_owner uuid[], p_stamp bigint[]) RETURNS SETOF text
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
    v_gone uuid[];
BEGIN
    SELECT array_agg(x.owner) INTO v_gone FROM (
        SELECT l.incarnation AS owner
          FROM node_lease l JOIN unnest(p_owner, p_stamp) AS s(owner, stamp) ON s.owner = l.incarnation
         WHERE (extract(epoch FROM l.expires_at) * 1000000)::bigint = s.stamp AND l.expires_at <= now()
           FOR NO KEY UPDATE OF l SKIP LOCKED) x;
    SELECT v_gone || array_agg(s.owner) INTO v_gone FROM unnest(p_owner, p_stamp) AS s(owner, stamp)
     WHERE s.stamp IS NULL AND NOT EXISTS (SELECT FROM node_lease l WHERE l.incarnation = s.owner);
    RETURN QUERY
    WITH locked AS MATERIALIZED (
        SELECT r.id, r.owner FROM queue_recipient r
         WHERE r.state = 2 AND r.owner = ANY (v_gone) LIMIT 10000 FOR NO KEY UPDATE SKIP LOCKED
    ), freed AS (
        UPDATE queue_recipient r
           SET state = queue_free_state_v1(x.due), due = x.due, owner = NULL, takeovers = r.takeovers + 1
          FROM (SELECT l.id, l.owner, GREATEST(q.due, now() + CASE WHEN q.takeovers < 2 THEN interval '0'
                       ELSE interval '1 minute' * (1 << LEAST(q.takeovers - 2, 4)) END) AS due
                  FROM locked l JOIN queue_recipient q ON q.id = l.id) x
         WHERE r.id = x.id
        RETURNING r.queue_id, r.id, r.recipient, r.destination, r.attempt, x.owner
    ), e AS (
        INSERT INTO queue_event (queue_id, recipient_id, recipient, kind, node, attempt, detail)
        SELECT f.queue_id, f.id, f.recipient, 2, f.owner, f.attempt, jsonb_build_object('by', p_by) FROM freed f
    )
    SELECT DISTINCT f.destination FROM freed f ORDER BY 1;
END $$;
CREATE FUNCTION public.queue_wants_v1(p_wish text, p_reverse_path text, p_rcpt jsonb, p_mail jsonb, p_recipient text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT p_reverse_path <> ''
       AND COALESCE(COALESCE(p_rcpt->'notify', p_mail->'recipients'->p_recipient->'notify') ? p_wish,
                    p_wish <> 'success')
$$;
CREATE FUNCTION public.remove_copies_v1(p_account integer, p_shard integer, p_mailbox uuid, p_uids integer[], p_only_deleted boolean, p_modseq bigint, p_position integer) RETURNS integer[]
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
DECLARE
    v_uids     int[];
    v_messages uuid[];
BEGIN
    EXECUTE format($q$
        WITH d AS (
            DELETE FROM mailbox_message_%1$s t
             WHERE t.ctid = ANY (ARRAY(
                   SELECT found.at FROM unnest($3) AS wanted(uid)
                    CROSS JOIN LATERAL (
                          SELECT x.ctid AS at FROM mailbox_message_%1$s x
                           WHERE x.account_id = $1 AND x.mailbox_id = $2 AND x.uid = wanted.uid
                             AND (NOT $4 OR x.flags & 8 <> 0) OFFSET 0) found))
            RETURNING t.uid, t.message_id, t.flags, t.size
        ), m AS (
            UPDATE mailbox mb
               SET total = mb.total - x.n, unseen = mb.unseen - x.unseen, deleted = mb.deleted - x.deleted,
                   size = mb.size - x.bytes, highest_modseq = $5
              FROM (SELECT count(*)::int AS n, count(*) FILTER (WHERE d.flags & 1 = 0)::int AS unseen,
                           count(*) FILTER (WHERE d.flags & 8 <> 0)::int AS deleted,
                           sum(d.size)::bigint AS bytes FROM d) x
             WHERE mb.account_id = $1 AND mb.id = $2 AND x.n > 0
        ), h AS (
            INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
            SELECT $1, $5, $6, 1, 3, $2, array_agg(d.uid ORDER BY d.uid),
                   array_agg(d.message_id ORDER BY d.uid)
              FROM d HAVING count(*) > 0
        )
        SELECT array_agg(d.uid ORDER BY d.uid), array_agg(DISTINCT d.message_id) FROM d
    $q$, p_shard)
    INTO v_uids, v_messages
    USING p_account, p_mailbox, p_uids, p_only_deleted, p_modseq, p_position;
    IF v_uids IS NULL THEN
        RETURN '{}';
    END IF;
    EXECUTE format($q$
        WITH gone AS (
            DELETE FROM message_%1$s g
             WHERE g.ctid = ANY (ARRAY(
                   SELECT found.at FROM unnest($2) AS removed(id)
                    CROSS JOIN LATERAL (
                          SELECT x.ctid AS at FROM message_%1$s x
                           WHERE x.account_id = $1 AND x.id = removed.id
                             AND (SELECT 1 FROM mailbox_message_%1$s t
                                   WHERE t.account_id = $1 AND t.message_id = x.id LIMIT 1) IS NULL
                          OFFSET 0) found))
            RETURNING g.blob_id, g.size
        ), released AS (
            INSERT INTO blob_delta (blob_id, delta) SELECT gone.blob_id, -1 FROM gone
        )
        UPDATE account_state s
           SET modseq = $3, used_bytes = s.used_bytes - x.bytes, used_messages = s.used_messages - x.n
          FROM (SELECT COALESCE(sum(gone.size), 0)::bigint AS bytes, count(*) AS n FROM gone) x
         WHERE s.account_id = $1
    $q$, p_shard) USING p_account, v_messages, p_modseq;
    RETURN v_uids;
END $_$;
CREATE FUNCTION public.setting_changed_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE setting_version SET version = version + 1 WHERE name = TG_TABLE_NAME;
    RETURN NULL;
END $$;
CREATE FUNCTION public.store_flags_one_v1_0(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_0 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_0 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_1(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_1 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_1 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_10(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_10 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_10 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_11(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_11 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_11 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_12(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_12 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_12 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_13(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_13 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_13 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_14(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_14 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_14 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_15(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_15 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_15 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_16(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_16 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_16 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_17(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_17 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_17 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_18(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_18 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_18 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_19(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_19 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_19 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_2(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_2 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_2 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_20(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_20 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_20 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_21(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_21 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_21 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_22(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_22 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_22 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_23(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_23 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_23 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_24(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_24 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_24 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_25(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_25 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_25 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_26(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_26 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_26 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_27(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_27 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_27 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_28(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_28 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_28 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_29(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_29 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_29 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_3(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_3 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_3 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_30(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_30 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_30 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_31(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_31 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_31 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_4(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_4 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_4 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_5(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_5 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_5 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_6(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_6 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_6 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_7(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_7 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_7 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_8(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_8 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_8 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_one_v1_9(p_account integer, p_mailbox uuid, p_uid integer, p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET lock_timeout TO '250ms'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq   bigint;
    v_at       tid;
    v_message  uuid;
    v_old      int;
    v_new      int;
    v_words    text[];
    v_keywords text[];
BEGIN
    SELECT s.modseq + 1 INTO v_modseq FROM account_state s WHERE s.account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'PR001';
    END IF;
    SELECT t.ctid, t.message_id, t.flags, t.keywords, t.modseq INTO v_at, v_message, v_old, v_words, modseq
      FROM mailbox_message_9 t
     WHERE t.account_id = p_account AND t.mailbox_id = p_mailbox AND t.uid = p_uid;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_new := v_old;
    v_keywords := v_words;
    outcome := 0;
    IF modseq > p_unchanged_since THEN
        outcome := 2;
    ELSE
        v_new := CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN v_old | p_flags ELSE v_old & ~p_flags END;
        IF p_keywords IS NOT NULL OR p_mode = 0 AND v_words IS NOT NULL THEN
            v_keywords := keywords_apply_v1(v_words, p_mode, p_keywords);
        END IF;
    END IF;
    IF v_new <> v_old OR v_keywords IS DISTINCT FROM v_words THEN
        outcome := 1;
        modseq := v_modseq;
        UPDATE mailbox_message_9 t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
        UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
        UPDATE mailbox mb SET highest_modseq = v_modseq, unseen = mb.unseen + (v_old & 1) - (v_new & 1),
               deleted = mb.deleted + (v_new & 8) / 8 - (v_old & 8) / 8
         WHERE mb.account_id = p_account AND mb.id = p_mailbox;
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        VALUES (p_account, v_modseq, 0, 1, 2, p_mailbox, ARRAY[p_uid], ARRAY[v_message]);
    END IF;
    uid := p_uid;
    flags := v_new;
    keywords := v_keywords;
    RETURN NEXT;
END $$;
CREATE FUNCTION public.store_flags_v1_0(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_0 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_0 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_1(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_1 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_1 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_10(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_10 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_10 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_11(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_11 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_11 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_12(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_12 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_12 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_13(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_13 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_13 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_14(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_14 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_14 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_15(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_15 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_15 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_16(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_16 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_16 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_17(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_17 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_17 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_18(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_18 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_18 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_19(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_19 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_19 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_2(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_2 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_2 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_20(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_20 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_20 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_21(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_21 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_21 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_22(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_22 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_22 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_23(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_23 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_23 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_24(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_24 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_24 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_25(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_25 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_25 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_26(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_26 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_26 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_27(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_27 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_27 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_28(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_28 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_28 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_29(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_29 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_29 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_3(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_3 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_3 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_30(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_30 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_30 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_31(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_31 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_31 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_4(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_4 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_4 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_5(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_5 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_5 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_6(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_6 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_6 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_7(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_7 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_7 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_8(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_8 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_8 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_v1_9(p_account integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    RETURN QUERY
    WITH o AS MATERIALIZED (
        SELECT t.at, t.uid, t.message_id, t.flags, t.keywords, t.modseq,
               CASE p_mode WHEN 0 THEN p_flags WHEN 1 THEN t.flags | p_flags
                           ELSE t.flags & ~p_flags END AS new_flags,
               CASE WHEN t.keywords IS NULL AND p_keywords IS NULL THEN NULL
                    WHEN p_mode <> 0 AND p_keywords IS NULL THEN t.keywords
                    ELSE keywords_apply_v1(t.keywords, p_mode, p_keywords) END AS new_keywords,
               (p_unchanged_since IS NOT NULL AND t.modseq > p_unchanged_since) AS conflict
          FROM (SELECT DISTINCT unnest(p_uids) AS uid) wanted
         CROSS JOIN LATERAL (
               SELECT x.ctid AS at, x.* FROM mailbox_message_9 x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_9 t
           SET flags = c.new_flags, keywords = c.new_keywords, modseq = v_modseq
          FROM c WHERE t.ctid = c.at
    ), a AS (
        UPDATE account_state s SET modseq = v_modseq
         WHERE s.account_id = p_account AND EXISTS (SELECT 1 FROM c)
    ), m AS (
        UPDATE mailbox mb SET highest_modseq = v_modseq,
               unseen = mb.unseen + x.unseen, deleted = mb.deleted + x.deleted
          FROM (SELECT count(*) AS n,
                       sum((c.flags & 1) - (c.new_flags & 1))::int AS unseen,
                       sum((c.new_flags & 8) / 8 - (c.flags & 8) / 8)::int AS deleted FROM c) x
         WHERE mb.account_id = p_account AND mb.id = p_mailbox AND x.n > 0
    ), h AS (
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
        SELECT p_account, v_modseq, 0, 1, 2, p_mailbox, array_agg(c.uid ORDER BY c.uid),
               array_agg(c.message_id ORDER BY c.uid)
          FROM c HAVING count(*) > 0
    )
    SELECT o.uid,
           CASE WHEN o.conflict THEN o.flags ELSE o.new_flags END,
           CASE WHEN o.conflict THEN o.keywords ELSE o.new_keywords END,
           CASE WHEN c.uid IS NULL THEN o.modseq ELSE v_modseq END,
           (CASE WHEN o.conflict THEN 2 WHEN c.uid IS NULL THEN 0 ELSE 1 END)::smallint
      FROM o LEFT JOIN c ON c.uid = o.uid ORDER BY o.uid;
END $$;
CREATE FUNCTION public.store_flags_within_v1(p_account integer, p_shard integer, p_mailbox uuid, p_uids integer[], p_mode smallint, p_flags integer, p_keywords text[], p_unchanged_since bigint, p_mask integer, p_words boolean) RETURNS TABLE(uid integer, flags integer, keywords text[], modseq bigint, outcome smallint)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
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
END $_$;
CREATE FUNCTION public.subscription_set_v1(p_account integer, p_name text, p_on boolean) RETURNS TABLE(modseq bigint)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
BEGIN
    IF p_on THEN
        INSERT INTO subscription (account_id, name) VALUES (p_account, p_name) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM subscription s WHERE s.account_id = p_account AND s.name = p_name;
    END IF;
    IF NOT FOUND THEN
        RETURN QUERY SELECT v_modseq - 1;
        RETURN;
    END IF;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, names)
    VALUES (p_account, v_modseq, 0, 4, CASE WHEN p_on THEN 1 ELSE 3 END,
            '00000000-0000-0000-0000-000000000000', ARRAY[p_name]);
    RETURN QUERY SELECT v_modseq;
END $$;
CREATE FUNCTION public.uidvalidity_next_v1(p_account integer) RETURNS integer
    LANGUAGE sql
    AS $$
    UPDATE account_state s
       SET last_uidvalidity = GREATEST(s.last_uidvalidity + 1, extract(epoch FROM now())::int)
     WHERE s.account_id = p_account RETURNING s.last_uidvalidity
$$;
CREATE TABLE public.account (
    id integer NOT NULL,
    tenant_id integer NOT NULL,
    domain_id integer NOT NULL,
    address text NOT NULL,
    display_name text DEFAULT ''::text NOT NULL,
    state smallint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    removed_at timestamp with time zone,
    access bigint DEFAULT 0 NOT NULL,
    access_at timestamp with time zone
);
ALTER TABLE public.account ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.account_state (
    account_id integer NOT NULL,
    modseq bigint DEFAULT 0 NOT NULL,
    change_floor bigint DEFAULT 0 NOT NULL,
    last_uidvalidity integer DEFAULT 0 NOT NULL,
    used_bytes bigint DEFAULT 0 NOT NULL,
    used_messages bigint DEFAULT 0 NOT NULL,
    quota_bytes bigint,
    quota_messages bigint
)
WITH (fillfactor='50');
CREATE TABLE public.alias (
    address text NOT NULL,
    account_id integer NOT NULL,
    domain_id integer NOT NULL
);
CREATE TABLE public.annotation (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    entry text NOT NULL,
    value bytea NOT NULL
);
CREATE TABLE public.blob (
    id uuid NOT NULL,
    object_key text NOT NULL,
    "offset" bigint DEFAULT 0 NOT NULL,
    length bigint NOT NULL,
    size bigint NOT NULL,
    blake3 bytea NOT NULL,
    format smallint DEFAULT 0 NOT NULL,
    key_id uuid,
    state smallint DEFAULT 0 NOT NULL,
    refs integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.blob_delta (
    id bigint NOT NULL,
    blob_id uuid NOT NULL,
    delta smallint NOT NULL
);
ALTER TABLE public.blob_delta ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.blob_delta_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.change (
    account_id integer NOT NULL,
    modseq bigint NOT NULL,
    "position" integer NOT NULL,
    kind smallint NOT NULL,
    op smallint NOT NULL,
    mailbox_id uuid NOT NULL,
    uids integer[],
    object_ids uuid[],
    names text[]
);
CREATE TABLE public.credential (
    account_id integer NOT NULL,
    argon2id text NOT NULL,
    scram_sha_256 text,
    version bigint DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.domain (
    id integer NOT NULL,
    tenant_id integer NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.domain ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.domain_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.job_lease (
    name text NOT NULL,
    owner uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.mailbox (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    role smallint DEFAULT 0 NOT NULL,
    state smallint DEFAULT 0 NOT NULL,
    uidvalidity integer NOT NULL,
    uidnext integer DEFAULT 1 NOT NULL,
    highest_modseq bigint NOT NULL,
    created_modseq bigint NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    unseen integer DEFAULT 0 NOT NULL,
    deleted integer DEFAULT 0 NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    recent_uid integer DEFAULT 1 NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.mailbox_acl (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    grantee_id integer,
    tenant_id integer NOT NULL,
    negative boolean NOT NULL,
    rights integer NOT NULL,
    CONSTRAINT mailbox_acl_rights_check CHECK ((rights > 0))
);
CREATE TABLE public.mailbox_message (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
PARTITION BY HASH (account_id);
CREATE TABLE public.mailbox_message_0 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_1 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_10 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_11 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_12 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_13 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_14 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_15 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_16 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_17 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_18 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_19 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_2 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_20 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_21 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_22 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_23 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_24 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_25 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_26 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_27 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_28 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_29 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_3 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_30 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_31 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_4 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_5 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_6 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_7 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_8 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.mailbox_message_9 (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    uid integer NOT NULL,
    flags integer NOT NULL,
    modseq bigint NOT NULL,
    message_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    size integer NOT NULL,
    keywords text[]
)
WITH (fillfactor='90');
CREATE TABLE public.maildrop_lock (
    account_id integer NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.message (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
)
PARTITION BY HASH (account_id);
CREATE TABLE public.message_0 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_1 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_10 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_11 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_12 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_13 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_14 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_15 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_16 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_17 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_18 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_19 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_2 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_20 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_21 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_22 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_23 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_24 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_25 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_26 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_27 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_28 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_29 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_3 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_30 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_31 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_4 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_5 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_6 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_7 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_8 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.message_9 (
    account_id integer NOT NULL,
    id uuid NOT NULL,
    blob_id uuid NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    structure bytea NOT NULL,
    preview text NOT NULL
);
CREATE TABLE public.mta_sts (
    domain text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL,
    mode text NOT NULL,
    mx text[] NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT mta_sts_mode_check CHECK ((mode = ANY (ARRAY['enforce'::text, 'testing'::text, 'none'::text])))
);
CREATE TABLE public.node_lease (
    incarnation uuid NOT NULL,
    version text NOT NULL,
    schema integer NOT NULL,
    roles text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.private_annotation (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    user_id integer NOT NULL,
    entry text NOT NULL,
    value bytea NOT NULL
);
CREATE TABLE public.queue_event (
    queue_id uuid NOT NULL,
    id bigint NOT NULL,
    recipient_id bigint,
    recipient text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    kind smallint NOT NULL,
    node uuid,
    attempt integer,
    outcome smallint,
    recorded smallint DEFAULT 0 NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    reverse_path text,
    received_at timestamp with time zone
);
ALTER TABLE public.queue_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.queue_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.queue_limit (
    scope text NOT NULL,
    pattern text NOT NULL COLLATE pg_catalog."C",
    connections integer,
    messages integer,
    per_seconds integer DEFAULT 60 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT queue_limit_connections_check CHECK ((connections > 0)),
    CONSTRAINT queue_limit_messages_check CHECK ((messages > 0)),
    CONSTRAINT queue_limit_per_seconds_check CHECK ((per_seconds > 0)),
    CONSTRAINT queue_limit_scope_check CHECK ((scope = ANY (ARRAY['site'::text, 'tenant'::text, 'sender'::text])))
);
CREATE TABLE public.queue_message (
    id uuid NOT NULL,
    tenant_id integer NOT NULL,
    blob_id uuid NOT NULL,
    reverse_path text NOT NULL,
    size bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    envelope jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_offset integer DEFAULT 0 NOT NULL,
    delay_at timestamp with time zone,
    delay_sent boolean DEFAULT false NOT NULL
);
CREATE TABLE public.queue_pause (
    destination text NOT NULL COLLATE pg_catalog."C",
    since timestamp with time zone DEFAULT now() NOT NULL,
    reason text DEFAULT ''::text NOT NULL
);
CREATE TABLE public.queue_recipient (
    id bigint NOT NULL,
    queue_id uuid NOT NULL,
    tenant_id integer NOT NULL,
    account_id integer,
    mailbox_id uuid,
    recipient text NOT NULL,
    envelope jsonb DEFAULT '{}'::jsonb NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due timestamp with time zone NOT NULL,
    last_error text DEFAULT ''::text NOT NULL,
    state smallint DEFAULT 9 NOT NULL,
    destination text COLLATE pg_catalog."C",
    destination_key bigint,
    rank smallint DEFAULT 0 NOT NULL,
    owner uuid,
    attempt integer DEFAULT 0 NOT NULL,
    takeovers integer DEFAULT 0 NOT NULL,
    hold boolean DEFAULT false NOT NULL,
    expires_at timestamp with time zone,
    result jsonb,
    CONSTRAINT queue_recipient_state CHECK (
CASE state
    WHEN 9 THEN (account_id IS NOT NULL)
    ELSE ((account_id IS NULL) AND (destination IS NOT NULL) AND (destination_key IS NOT NULL) AND (expires_at IS NOT NULL) AND ((state = 2) = (owner IS NOT NULL)))
END)
);
ALTER TABLE public.queue_recipient ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.queue_recipient_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);
CREATE TABLE public.route (
    pattern text NOT NULL COLLATE pg_catalog."C",
    relay_host text,
    relay_port integer,
    protocol text DEFAULT 'smtp'::text NOT NULL,
    tls text DEFAULT 'opportunistic'::text NOT NULL,
    tls_verify boolean DEFAULT false NOT NULL,
    auth_user text,
    auth_secret text,
    retry jsonb,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT route_check CHECK (((relay_host IS NULL) = (relay_port IS NULL))),
    CONSTRAINT route_check1 CHECK (((auth_user IS NULL) = (auth_secret IS NULL))),
    CONSTRAINT route_protocol_check CHECK ((protocol = ANY (ARRAY['smtp'::text, 'lmtp'::text]))),
    CONSTRAINT route_tls_check CHECK ((tls = ANY (ARRAY['none'::text, 'opportunistic'::text, 'starttls'::text, 'implicit'::text])))
);
CREATE TABLE public.schema_compatibility (
    singleton boolean DEFAULT true NOT NULL,
    oldest_binary integer NOT NULL,
    CONSTRAINT schema_compatibility_singleton_check CHECK (singleton)
);
CREATE TABLE public.scram_setting (
    singleton boolean DEFAULT true NOT NULL,
    secret bytea NOT NULL,
    iterations integer NOT NULL,
    CONSTRAINT scram_setting_iterations_check CHECK ((iterations >= 4096)),
    CONSTRAINT scram_setting_secret_check CHECK ((octet_length(secret) = 32)),
    CONSTRAINT scram_setting_singleton_check CHECK (singleton)
);
CREATE TABLE public.search_page (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    page integer NOT NULL,
    format smallint NOT NULL,
    slices bytea NOT NULL
);
ALTER TABLE ONLY public.search_page ALTER COLUMN slices SET STORAGE EXTERNAL;
CREATE TABLE public.search_signature (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
)
PARTITION BY HASH (account_id);
CREATE TABLE public.search_signature_0 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_0 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_1 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_1 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_10 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_10 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_11 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_11 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_12 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_12 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_13 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_13 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_14 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_14 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_15 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_15 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_16 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_16 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_17 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_17 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_18 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_18 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_19 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_19 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_2 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_2 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_20 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_20 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_21 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_21 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_22 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_22 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_23 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_23 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_24 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_24 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_25 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_25 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_26 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_26 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_27 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_27 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_28 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_28 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_29 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_29 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_3 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_3 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_30 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_30 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_31 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_31 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_4 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_4 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_5 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_5 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_6 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_6 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_7 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_7 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_8 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_8 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_signature_9 (
    account_id integer NOT NULL,
    format smallint NOT NULL,
    complete boolean NOT NULL,
    message_id uuid NOT NULL,
    signature bytea NOT NULL
);
ALTER TABLE ONLY public.search_signature_9 ALTER COLUMN signature SET STORAGE PLAIN;
CREATE TABLE public.search_state (
    account_id integer NOT NULL,
    modseq bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE public.setting_version (
    name text NOT NULL,
    version bigint DEFAULT 1 NOT NULL
);
CREATE TABLE public.subscription (
    account_id integer NOT NULL,
    name text NOT NULL
);
CREATE TABLE public.tenant (
    id integer NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.tenant ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tenant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.thread_ref (
    account_id integer NOT NULL,
    ref_hash bigint NOT NULL,
    thread_id uuid NOT NULL
);
CREATE TABLE public.url_key (
    account_id integer NOT NULL,
    mailbox_id uuid NOT NULL,
    key bytea NOT NULL,
    CONSTRAINT url_key_key_check CHECK ((length(key) = 32))
);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_0 FOR VALUES WITH (modulus 32, remainder 0);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_1 FOR VALUES WITH (modulus 32, remainder 1);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_10 FOR VALUES WITH (modulus 32, remainder 10);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_11 FOR VALUES WITH (modulus 32, remainder 11);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_12 FOR VALUES WITH (modulus 32, remainder 12);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_13 FOR VALUES WITH (modulus 32, remainder 13);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_14 FOR VALUES WITH (modulus 32, remainder 14);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_15 FOR VALUES WITH (modulus 32, remainder 15);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_16 FOR VALUES WITH (modulus 32, remainder 16);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_17 FOR VALUES WITH (modulus 32, remainder 17);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_18 FOR VALUES WITH (modulus 32, remainder 18);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_19 FOR VALUES WITH (modulus 32, remainder 19);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_2 FOR VALUES WITH (modulus 32, remainder 2);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_20 FOR VALUES WITH (modulus 32, remainder 20);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_21 FOR VALUES WITH (modulus 32, remainder 21);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_22 FOR VALUES WITH (modulus 32, remainder 22);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_23 FOR VALUES WITH (modulus 32, remainder 23);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_24 FOR VALUES WITH (modulus 32, remainder 24);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_25 FOR VALUES WITH (modulus 32, remainder 25);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_26 FOR VALUES WITH (modulus 32, remainder 26);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_27 FOR VALUES WITH (modulus 32, remainder 27);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_28 FOR VALUES WITH (modulus 32, remainder 28);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_29 FOR VALUES WITH (modulus 32, remainder 29);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_3 FOR VALUES WITH (modulus 32, remainder 3);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_30 FOR VALUES WITH (modulus 32, remainder 30);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_31 FOR VALUES WITH (modulus 32, remainder 31);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_4 FOR VALUES WITH (modulus 32, remainder 4);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_5 FOR VALUES WITH (modulus 32, remainder 5);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_6 FOR VALUES WITH (modulus 32, remainder 6);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_7 FOR VALUES WITH (modulus 32, remainder 7);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_8 FOR VALUES WITH (modulus 32, remainder 8);
ALTER TABLE ONLY public.mailbox_message ATTACH PARTITION public.mailbox_message_9 FOR VALUES WITH (modulus 32, remainder 9);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_0 FOR VALUES WITH (modulus 32, remainder 0);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_1 FOR VALUES WITH (modulus 32, remainder 1);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_10 FOR VALUES WITH (modulus 32, remainder 10);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_11 FOR VALUES WITH (modulus 32, remainder 11);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_12 FOR VALUES WITH (modulus 32, remainder 12);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_13 FOR VALUES WITH (modulus 32, remainder 13);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_14 FOR VALUES WITH (modulus 32, remainder 14);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_15 FOR VALUES WITH (modulus 32, remainder 15);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_16 FOR VALUES WITH (modulus 32, remainder 16);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_17 FOR VALUES WITH (modulus 32, remainder 17);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_18 FOR VALUES WITH (modulus 32, remainder 18);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_19 FOR VALUES WITH (modulus 32, remainder 19);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_2 FOR VALUES WITH (modulus 32, remainder 2);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_20 FOR VALUES WITH (modulus 32, remainder 20);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_21 FOR VALUES WITH (modulus 32, remainder 21);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_22 FOR VALUES WITH (modulus 32, remainder 22);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_23 FOR VALUES WITH (modulus 32, remainder 23);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_24 FOR VALUES WITH (modulus 32, remainder 24);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_25 FOR VALUES WITH (modulus 32, remainder 25);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_26 FOR VALUES WITH (modulus 32, remainder 26);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_27 FOR VALUES WITH (modulus 32, remainder 27);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_28 FOR VALUES WITH (modulus 32, remainder 28);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_29 FOR VALUES WITH (modulus 32, remainder 29);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_3 FOR VALUES WITH (modulus 32, remainder 3);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_30 FOR VALUES WITH (modulus 32, remainder 30);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_31 FOR VALUES WITH (modulus 32, remainder 31);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_4 FOR VALUES WITH (modulus 32, remainder 4);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_5 FOR VALUES WITH (modulus 32, remainder 5);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_6 FOR VALUES WITH (modulus 32, remainder 6);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_7 FOR VALUES WITH (modulus 32, remainder 7);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_8 FOR VALUES WITH (modulus 32, remainder 8);
ALTER TABLE ONLY public.message ATTACH PARTITION public.message_9 FOR VALUES WITH (modulus 32, remainder 9);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_0 FOR VALUES WITH (modulus 32, remainder 0);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_1 FOR VALUES WITH (modulus 32, remainder 1);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_10 FOR VALUES WITH (modulus 32, remainder 10);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_11 FOR VALUES WITH (modulus 32, remainder 11);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_12 FOR VALUES WITH (modulus 32, remainder 12);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_13 FOR VALUES WITH (modulus 32, remainder 13);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_14 FOR VALUES WITH (modulus 32, remainder 14);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_15 FOR VALUES WITH (modulus 32, remainder 15);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_16 FOR VALUES WITH (modulus 32, remainder 16);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_17 FOR VALUES WITH (modulus 32, remainder 17);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_18 FOR VALUES WITH (modulus 32, remainder 18);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_19 FOR VALUES WITH (modulus 32, remainder 19);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_2 FOR VALUES WITH (modulus 32, remainder 2);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_20 FOR VALUES WITH (modulus 32, remainder 20);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_21 FOR VALUES WITH (modulus 32, remainder 21);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_22 FOR VALUES WITH (modulus 32, remainder 22);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_23 FOR VALUES WITH (modulus 32, remainder 23);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_24 FOR VALUES WITH (modulus 32, remainder 24);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_25 FOR VALUES WITH (modulus 32, remainder 25);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_26 FOR VALUES WITH (modulus 32, remainder 26);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_27 FOR VALUES WITH (modulus 32, remainder 27);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_28 FOR VALUES WITH (modulus 32, remainder 28);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_29 FOR VALUES WITH (modulus 32, remainder 29);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_3 FOR VALUES WITH (modulus 32, remainder 3);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_30 FOR VALUES WITH (modulus 32, remainder 30);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_31 FOR VALUES WITH (modulus 32, remainder 31);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_4 FOR VALUES WITH (modulus 32, remainder 4);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_5 FOR VALUES WITH (modulus 32, remainder 5);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_6 FOR VALUES WITH (modulus 32, remainder 6);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_7 FOR VALUES WITH (modulus 32, remainder 7);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_8 FOR VALUES WITH (modulus 32, remainder 8);
ALTER TABLE ONLY public.search_signature ATTACH PARTITION public.search_signature_9 FOR VALUES WITH (modulus 32, remainder 9);
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.account_state
    ADD CONSTRAINT account_state_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.alias
    ADD CONSTRAINT alias_pkey PRIMARY KEY (address, account_id);
ALTER TABLE ONLY public.annotation
    ADD CONSTRAINT annotation_pkey PRIMARY KEY (account_id, mailbox_id, entry);
ALTER TABLE ONLY public.blob_delta
    ADD CONSTRAINT blob_delta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.blob
    ADD CONSTRAINT blob_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (account_id, modseq, "position");
ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.domain
    ADD CONSTRAINT domain_name_key UNIQUE (name);
ALTER TABLE ONLY public.domain
    ADD CONSTRAINT domain_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.job_lease
    ADD CONSTRAINT job_lease_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.mailbox_message
    ADD CONSTRAINT mailbox_message_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_0
    ADD CONSTRAINT mailbox_message_0_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_10
    ADD CONSTRAINT mailbox_message_10_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_11
    ADD CONSTRAINT mailbox_message_11_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_12
    ADD CONSTRAINT mailbox_message_12_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_13
    ADD CONSTRAINT mailbox_message_13_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_14
    ADD CONSTRAINT mailbox_message_14_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_15
    ADD CONSTRAINT mailbox_message_15_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_16
    ADD CONSTRAINT mailbox_message_16_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_17
    ADD CONSTRAINT mailbox_message_17_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_18
    ADD CONSTRAINT mailbox_message_18_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_19
    ADD CONSTRAINT mailbox_message_19_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_1
    ADD CONSTRAINT mailbox_message_1_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_20
    ADD CONSTRAINT mailbox_message_20_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_21
    ADD CONSTRAINT mailbox_message_21_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_22
    ADD CONSTRAINT mailbox_message_22_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_23
    ADD CONSTRAINT mailbox_message_23_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_24
    ADD CONSTRAINT mailbox_message_24_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_25
    ADD CONSTRAINT mailbox_message_25_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_26
    ADD CONSTRAINT mailbox_message_26_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_27
    ADD CONSTRAINT mailbox_message_27_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_28
    ADD CONSTRAINT mailbox_message_28_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_29
    ADD CONSTRAINT mailbox_message_29_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_2
    ADD CONSTRAINT mailbox_message_2_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_30
    ADD CONSTRAINT mailbox_message_30_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_31
    ADD CONSTRAINT mailbox_message_31_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_3
    ADD CONSTRAINT mailbox_message_3_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_4
    ADD CONSTRAINT mailbox_message_4_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_5
    ADD CONSTRAINT mailbox_message_5_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_6
    ADD CONSTRAINT mailbox_message_6_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_7
    ADD CONSTRAINT mailbox_message_7_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_8
    ADD CONSTRAINT mailbox_message_8_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox_message_9
    ADD CONSTRAINT mailbox_message_9_pkey PRIMARY KEY (account_id, mailbox_id, uid);
ALTER TABLE ONLY public.mailbox
    ADD CONSTRAINT mailbox_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.maildrop_lock
    ADD CONSTRAINT maildrop_lock_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_0
    ADD CONSTRAINT message_0_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_10
    ADD CONSTRAINT message_10_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_11
    ADD CONSTRAINT message_11_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_12
    ADD CONSTRAINT message_12_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_13
    ADD CONSTRAINT message_13_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_14
    ADD CONSTRAINT message_14_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_15
    ADD CONSTRAINT message_15_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_16
    ADD CONSTRAINT message_16_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_17
    ADD CONSTRAINT message_17_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_18
    ADD CONSTRAINT message_18_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_19
    ADD CONSTRAINT message_19_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_1
    ADD CONSTRAINT message_1_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_20
    ADD CONSTRAINT message_20_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_21
    ADD CONSTRAINT message_21_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_22
    ADD CONSTRAINT message_22_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_23
    ADD CONSTRAINT message_23_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_24
    ADD CONSTRAINT message_24_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_25
    ADD CONSTRAINT message_25_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_26
    ADD CONSTRAINT message_26_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_27
    ADD CONSTRAINT message_27_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_28
    ADD CONSTRAINT message_28_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_29
    ADD CONSTRAINT message_29_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_2
    ADD CONSTRAINT message_2_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_30
    ADD CONSTRAINT message_30_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_31
    ADD CONSTRAINT message_31_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_3
    ADD CONSTRAINT message_3_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_4
    ADD CONSTRAINT message_4_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_5
    ADD CONSTRAINT message_5_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_6
    ADD CONSTRAINT message_6_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_7
    ADD CONSTRAINT message_7_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_8
    ADD CONSTRAINT message_8_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.message_9
    ADD CONSTRAINT message_9_pkey PRIMARY KEY (account_id, id);
ALTER TABLE ONLY public.mta_sts
    ADD CONSTRAINT mta_sts_pkey PRIMARY KEY (domain);
ALTER TABLE ONLY public.node_lease
    ADD CONSTRAINT node_lease_pkey PRIMARY KEY (incarnation);
ALTER TABLE ONLY public.private_annotation
    ADD CONSTRAINT private_annotation_pkey PRIMARY KEY (account_id, mailbox_id, user_id, entry);
ALTER TABLE ONLY public.queue_event
    ADD CONSTRAINT queue_event_pkey PRIMARY KEY (queue_id, id);
ALTER TABLE ONLY public.queue_limit
    ADD CONSTRAINT queue_limit_pkey PRIMARY KEY (scope, pattern);
ALTER TABLE ONLY public.queue_message
    ADD CONSTRAINT queue_message_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.queue_pause
    ADD CONSTRAINT queue_pause_pkey PRIMARY KEY (destination);
ALTER TABLE ONLY public.queue_recipient
    ADD CONSTRAINT queue_recipient_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.route
    ADD CONSTRAINT route_pkey PRIMARY KEY (pattern);
ALTER TABLE ONLY public.schema_compatibility
    ADD CONSTRAINT schema_compatibility_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.scram_setting
    ADD CONSTRAINT scram_setting_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.search_page
    ADD CONSTRAINT search_page_pkey PRIMARY KEY (account_id, mailbox_id, page);
ALTER TABLE ONLY public.search_signature
    ADD CONSTRAINT search_signature_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_0
    ADD CONSTRAINT search_signature_0_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_10
    ADD CONSTRAINT search_signature_10_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_11
    ADD CONSTRAINT search_signature_11_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_12
    ADD CONSTRAINT search_signature_12_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_13
    ADD CONSTRAINT search_signature_13_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_14
    ADD CONSTRAINT search_signature_14_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_15
    ADD CONSTRAINT search_signature_15_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_16
    ADD CONSTRAINT search_signature_16_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_17
    ADD CONSTRAINT search_signature_17_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_18
    ADD CONSTRAINT search_signature_18_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_19
    ADD CONSTRAINT search_signature_19_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_1
    ADD CONSTRAINT search_signature_1_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_20
    ADD CONSTRAINT search_signature_20_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_21
    ADD CONSTRAINT search_signature_21_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_22
    ADD CONSTRAINT search_signature_22_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_23
    ADD CONSTRAINT search_signature_23_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_24
    ADD CONSTRAINT search_signature_24_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_25
    ADD CONSTRAINT search_signature_25_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_26
    ADD CONSTRAINT search_signature_26_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_27
    ADD CONSTRAINT search_signature_27_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_28
    ADD CONSTRAINT search_signature_28_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_29
    ADD CONSTRAINT search_signature_29_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_2
    ADD CONSTRAINT search_signature_2_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_30
    ADD CONSTRAINT search_signature_30_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_31
    ADD CONSTRAINT search_signature_31_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_3
    ADD CONSTRAINT search_signature_3_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_4
    ADD CONSTRAINT search_signature_4_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_5
    ADD CONSTRAINT search_signature_5_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_6
    ADD CONSTRAINT search_signature_6_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_7
    ADD CONSTRAINT search_signature_7_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_8
    ADD CONSTRAINT search_signature_8_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_signature_9
    ADD CONSTRAINT search_signature_9_pkey PRIMARY KEY (account_id, message_id);
ALTER TABLE ONLY public.search_state
    ADD CONSTRAINT search_state_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.setting_version
    ADD CONSTRAINT setting_version_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_pkey PRIMARY KEY (account_id, name);
ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT tenant_name_key UNIQUE (name);
ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.thread_ref
    ADD CONSTRAINT thread_ref_pkey PRIMARY KEY (account_id, ref_hash);
ALTER TABLE ONLY public.url_key
    ADD CONSTRAINT url_key_pkey PRIMARY KEY (account_id, mailbox_id);
CREATE INDEX account_access_at ON public.account USING btree (access_at) WHERE (access_at IS NOT NULL);
CREATE UNIQUE INDEX account_address ON public.account USING btree (address) WHERE (state <> 2);
CREATE INDEX account_domain ON public.account USING btree (domain_id);
CREATE INDEX account_removed ON public.account USING btree (id) WHERE (state = 2);
CREATE INDEX alias_account ON public.alias USING btree (account_id);
CREATE INDEX alias_domain ON public.alias USING btree (domain_id);
CREATE INDEX blob_dead ON public.blob USING btree (id) WHERE (state <> 0);
CREATE INDEX mailbox_acl_anyone ON public.mailbox_acl USING btree (tenant_id) WHERE (grantee_id IS NULL);
CREATE UNIQUE INDEX mailbox_acl_entry ON public.mailbox_acl USING btree (account_id, mailbox_id, COALESCE(grantee_id, 0), negative);
CREATE INDEX mailbox_acl_grantee ON public.mailbox_acl USING btree (grantee_id) WHERE (grantee_id IS NOT NULL);
CREATE INDEX mailbox_message_id ON ONLY public.mailbox_message USING btree (account_id, message_id);
CREATE INDEX mailbox_message_0_account_id_message_id_idx ON public.mailbox_message_0 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_10_account_id_message_id_idx ON public.mailbox_message_10 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_11_account_id_message_id_idx ON public.mailbox_message_11 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_12_account_id_message_id_idx ON public.mailbox_message_12 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_13_account_id_message_id_idx ON public.mailbox_message_13 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_14_account_id_message_id_idx ON public.mailbox_message_14 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_15_account_id_message_id_idx ON public.mailbox_message_15 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_16_account_id_message_id_idx ON public.mailbox_message_16 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_17_account_id_message_id_idx ON public.mailbox_message_17 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_18_account_id_message_id_idx ON public.mailbox_message_18 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_19_account_id_message_id_idx ON public.mailbox_message_19 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_1_account_id_message_id_idx ON public.mailbox_message_1 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_20_account_id_message_id_idx ON public.mailbox_message_20 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_21_account_id_message_id_idx ON public.mailbox_message_21 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_22_account_id_message_id_idx ON public.mailbox_message_22 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_23_account_id_message_id_idx ON public.mailbox_message_23 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_24_account_id_message_id_idx ON public.mailbox_message_24 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_25_account_id_message_id_idx ON public.mailbox_message_25 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_26_account_id_message_id_idx ON public.mailbox_message_26 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_27_account_id_message_id_idx ON public.mailbox_message_27 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_28_account_id_message_id_idx ON public.mailbox_message_28 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_29_account_id_message_id_idx ON public.mailbox_message_29 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_2_account_id_message_id_idx ON public.mailbox_message_2 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_30_account_id_message_id_idx ON public.mailbox_message_30 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_31_account_id_message_id_idx ON public.mailbox_message_31 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_3_account_id_message_id_idx ON public.mailbox_message_3 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_4_account_id_message_id_idx ON public.mailbox_message_4 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_5_account_id_message_id_idx ON public.mailbox_message_5 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_6_account_id_message_id_idx ON public.mailbox_message_6 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_7_account_id_message_id_idx ON public.mailbox_message_7 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_8_account_id_message_id_idx ON public.mailbox_message_8 USING btree (account_id, message_id);
CREATE INDEX mailbox_message_9_account_id_message_id_idx ON public.mailbox_message_9 USING btree (account_id, message_id);
CREATE UNIQUE INDEX mailbox_name ON public.mailbox USING btree (account_id, name) WHERE (state = 0);
CREATE INDEX mailbox_purge ON public.mailbox USING btree (account_id, id) WHERE (state = 1);
CREATE UNIQUE INDEX mailbox_role ON public.mailbox USING btree (account_id, role) WHERE ((state = 0) AND (role <> 0));
CREATE INDEX mta_sts_expires ON public.mta_sts USING btree (expires_at);
CREATE INDEX private_annotation_user ON public.private_annotation USING btree (user_id);
CREATE INDEX queue_delayed ON public.queue_message USING btree (delay_at) WHERE (delay_at IS NOT NULL);
CREATE INDEX queue_expires ON public.queue_recipient USING btree (expires_at) WHERE (state = ANY (ARRAY[0, 1]));
CREATE INDEX queue_owned ON public.queue_recipient USING btree (owner) WHERE (state = 2);
CREATE INDEX queue_ready ON public.queue_recipient USING btree (destination_key, destination, tenant_id, rank, due, id) WHERE ((state = 1) AND (NOT hold));
CREATE INDEX queue_recipient_account ON public.queue_recipient USING btree (account_id) WHERE (account_id IS NOT NULL);
CREATE INDEX queue_recipient_due ON public.queue_recipient USING btree (due) WHERE (account_id IS NOT NULL);
CREATE INDEX queue_recipient_message ON public.queue_recipient USING btree (queue_id);
CREATE INDEX queue_settled ON public.queue_recipient USING btree (queue_id) WHERE (state = 3);
CREATE INDEX queue_waiting ON public.queue_recipient USING btree (due) WHERE ((state = 0) AND (NOT hold));
CREATE INDEX queue_waiting_of ON public.queue_recipient USING btree (destination_key, due) WHERE ((state = 0) AND (NOT hold));
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_0_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_0_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_10_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_10_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_11_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_11_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_12_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_12_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_13_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_13_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_14_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_14_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_15_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_15_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_16_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_16_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_17_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_17_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_18_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_18_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_19_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_19_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_1_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_1_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_20_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_20_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_21_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_21_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_22_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_22_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_23_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_23_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_24_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_24_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_25_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_25_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_26_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_26_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_27_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_27_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_28_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_28_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_29_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_29_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_2_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_2_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_30_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_30_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_31_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_31_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_3_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_3_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_4_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_4_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_5_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_5_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_6_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_6_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_7_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_7_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_8_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_8_pkey;
ALTER INDEX public.mailbox_message_id ATTACH PARTITION public.mailbox_message_9_account_id_message_id_idx;
ALTER INDEX public.mailbox_message_pkey ATTACH PARTITION public.mailbox_message_9_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_0_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_10_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_11_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_12_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_13_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_14_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_15_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_16_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_17_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_18_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_19_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_1_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_20_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_21_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_22_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_23_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_24_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_25_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_26_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_27_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_28_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_29_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_2_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_30_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_31_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_3_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_4_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_5_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_6_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_7_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_8_pkey;
ALTER INDEX public.message_pkey ATTACH PARTITION public.message_9_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_0_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_10_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_11_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_12_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_13_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_14_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_15_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_16_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_17_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_18_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_19_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_1_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_20_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_21_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_22_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_23_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_24_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_25_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_26_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_27_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_28_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_29_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_2_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_30_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_31_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_3_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_4_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_5_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_6_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_7_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_8_pkey;
ALTER INDEX public.search_signature_pkey ATTACH PARTITION public.search_signature_9_pkey;
CREATE TRIGGER queue_limit_changed AFTER INSERT OR DELETE OR UPDATE ON public.queue_limit FOR EACH STATEMENT EXECUTE FUNCTION public.setting_changed_v1();
CREATE TRIGGER route_changed AFTER INSERT OR DELETE OR UPDATE ON public.route FOR EACH STATEMENT EXECUTE FUNCTION public.setting_changed_v1();
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_domain_id_fkey FOREIGN KEY (domain_id) REFERENCES public.domain(id);
ALTER TABLE ONLY public.account_state
    ADD CONSTRAINT account_state_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);
ALTER TABLE ONLY public.alias
    ADD CONSTRAINT alias_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.alias
    ADD CONSTRAINT alias_domain_id_fkey FOREIGN KEY (domain_id) REFERENCES public.domain(id);
ALTER TABLE ONLY public.annotation
    ADD CONSTRAINT annotation_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.change
    ADD CONSTRAINT change_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.domain
    ADD CONSTRAINT domain_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);
ALTER TABLE ONLY public.mailbox
    ADD CONSTRAINT mailbox_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.mailbox_acl
    ADD CONSTRAINT mailbox_acl_account_id_mailbox_id_fkey FOREIGN KEY (account_id, mailbox_id) REFERENCES public.mailbox(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.mailbox_acl
    ADD CONSTRAINT mailbox_acl_grantee_id_fkey FOREIGN KEY (grantee_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.mailbox_acl
    ADD CONSTRAINT mailbox_acl_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);
ALTER TABLE ONLY public.maildrop_lock
    ADD CONSTRAINT maildrop_lock_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.private_annotation
    ADD CONSTRAINT private_annotation_account_id_mailbox_id_fkey FOREIGN KEY (account_id, mailbox_id) REFERENCES public.mailbox(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.private_annotation
    ADD CONSTRAINT private_annotation_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.queue_recipient
    ADD CONSTRAINT queue_recipient_queue_id_fkey FOREIGN KEY (queue_id) REFERENCES public.queue_message(id);
ALTER TABLE ONLY public.search_page
    ADD CONSTRAINT search_page_account_id_mailbox_id_fkey FOREIGN KEY (account_id, mailbox_id) REFERENCES public.mailbox(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_0
    ADD CONSTRAINT search_signature_0_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_0(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_10
    ADD CONSTRAINT search_signature_10_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_10(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_11
    ADD CONSTRAINT search_signature_11_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_11(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_12
    ADD CONSTRAINT search_signature_12_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_12(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_13
    ADD CONSTRAINT search_signature_13_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_13(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_14
    ADD CONSTRAINT search_signature_14_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_14(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_15
    ADD CONSTRAINT search_signature_15_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_15(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_16
    ADD CONSTRAINT search_signature_16_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_16(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_17
    ADD CONSTRAINT search_signature_17_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_17(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_18
    ADD CONSTRAINT search_signature_18_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_18(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_19
    ADD CONSTRAINT search_signature_19_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_19(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_1
    ADD CONSTRAINT search_signature_1_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_1(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_20
    ADD CONSTRAINT search_signature_20_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_20(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_21
    ADD CONSTRAINT search_signature_21_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_21(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_22
    ADD CONSTRAINT search_signature_22_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_22(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_23
    ADD CONSTRAINT search_signature_23_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_23(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_24
    ADD CONSTRAINT search_signature_24_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_24(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_25
    ADD CONSTRAINT search_signature_25_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_25(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_26
    ADD CONSTRAINT search_signature_26_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_26(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_27
    ADD CONSTRAINT search_signature_27_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_27(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_28
    ADD CONSTRAINT search_signature_28_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_28(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_29
    ADD CONSTRAINT search_signature_29_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_29(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_2
    ADD CONSTRAINT search_signature_2_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_2(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_30
    ADD CONSTRAINT search_signature_30_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_30(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_31
    ADD CONSTRAINT search_signature_31_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_31(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_3
    ADD CONSTRAINT search_signature_3_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_3(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_4
    ADD CONSTRAINT search_signature_4_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_4(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_5
    ADD CONSTRAINT search_signature_5_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_5(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_6
    ADD CONSTRAINT search_signature_6_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_6(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_7
    ADD CONSTRAINT search_signature_7_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_7(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_8
    ADD CONSTRAINT search_signature_8_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_8(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_signature_9
    ADD CONSTRAINT search_signature_9_message FOREIGN KEY (account_id, message_id) REFERENCES public.message_9(account_id, id) ON DELETE CASCADE;
ALTER TABLE ONLY public.search_state
    ADD CONSTRAINT search_state_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT subscription_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.thread_ref
    ADD CONSTRAINT thread_ref_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.url_key
    ADD CONSTRAINT url_key_account_id_mailbox_id_fkey FOREIGN KEY (account_id, mailbox_id) REFERENCES public.mailbox(account_id, id) ON DELETE CASCADE;
