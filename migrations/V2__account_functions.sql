-- The functions behind store::account::commit. One call is one transaction and one round trip.
--
-- Every writer of account data first locks the account's counter row, several in ascending order, and only
-- then, in the fresh snapshot of the next statement, resolves and writes. So modseq never runs ahead of a
-- visible row, UIDs appear in order, and two mails to the same two people cannot deadlock. Waits are short
-- (lock_timeout); whoever could not be locked is reported, not waited for.
--
-- Names carry a version: a changed function gets a new name, so that two binaries run side by side.
-- Refusals are raised with SQLSTATE PR001 and a stable text.
-- Partitions are named by their number (p_shard), given by the caller; see store::sql::shard.
--
-- Rows of large tables are looked up key by key, in a LATERAL with OFFSET 0, and written by ctid (their
-- account is locked, so they do not move): that leaves the planner no choice. Where it has one, a table that
-- was never analysed looks as if an account had one row, and the plan made of that is quadratic.

-- Locks one account for writing and returns its current modseq.
CREATE FUNCTION account_lock_v1(p_account int) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '250ms' AS $$
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

-- Messages into mailboxes: one call for a whole batch of deliveries.
--
-- b_*: one entry per stored message. b_new says whether the blob row is born here (false when the message
-- comes out of the queue). b_queue is the id its queue row gets if somebody could not be delivered; NULL
-- when the caller wants to hear of it instead (APPEND).
-- d_*: one entry per delivery; d_blob and d_thread index into b_* and t_*. d_mailbox NULL, or gone and
-- not d_strict: INBOX. d_queued is the queue_recipient row this delivery settles. d_defer: straight into
-- the queue.
-- t_*: one entry per conversation within this batch; r_*: the Message-ID hashes that belong to it.
-- p_skip_busy: do not wait for locks at all.
--
-- Planning all this costs more than running it, so it is planned once per connection. Partitioned tables are
-- only inserted into here, which a generic plan does as well as any.
--
-- outcome: 0 delivered, 1 busy, 2 no such account, 3 over quota, 4 no such mailbox, 5 deferred,
-- 6 no longer queued. 1, 3 and 5 are in the queue afterwards where b_queue was given.
CREATE FUNCTION deliver_v1(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[],
    b_received timestamptz[], b_new boolean[], b_queue uuid[], b_tenant int[], b_reverse_path text[],
    b_envelope jsonb[],
    d_blob int[], d_account int[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags int[],
    d_keywords text[], d_thread int[], d_queued bigint[], d_defer boolean[], d_recipient text[],
    t_account int[], t_default uuid[], r_thread int[], r_hash bigint[],
    p_skip_busy boolean
) RETURNS TABLE (outcome smallint, mailbox_id uuid, uidvalidity int, uid int, modseq bigint, thread_id uuid)
LANGUAGE plpgsql
SET lock_timeout = '250ms' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Queue rows for the deliveries that could not be done inline, in the transaction that did the others.
CREATE FUNCTION deliver_queue_v1(
    b_id uuid[], b_size bigint[], b_received timestamptz[], b_queue uuid[], b_tenant int[],
    b_reverse_path text[], b_envelope jsonb[], d_blob int[], d_account int[], d_mailbox uuid[],
    d_recipient text[], d_queued bigint[], p_outcome smallint[]
) RETURNS void LANGUAGE sql AS $$
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

-- Removes settled recipients, and messages nobody waits for any more. Raises when a row was gone: then
-- somebody else settled it and nothing of this transaction may stand.
CREATE FUNCTION queue_settle_v1(p_recipients bigint[]) RETURNS void LANGUAGE plpgsql AS $$
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

-- Messages into one mailbox of one account, all or none (RFC 3502), each new and wanted there strictly; with
-- p_replaced_uid that message goes in the same step, before the quota is judged (RFC 8508). The first 28 arguments
-- are those of deliver_v1.
CREATE FUNCTION append_v1(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[],
    b_received timestamptz[], b_new boolean[], b_queue uuid[], b_tenant int[], b_reverse_path text[],
    b_envelope jsonb[],
    d_blob int[], d_account int[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags int[],
    d_keywords text[], d_thread int[], d_queued bigint[], d_defer boolean[], d_recipient text[],
    t_account int[], t_default uuid[], r_thread int[], r_hash bigint[],
    p_skip_busy boolean, p_shard int, p_replaced_mailbox uuid, p_replaced_uid int
) RETURNS TABLE (outcome smallint, mailbox_id uuid, uidvalidity int, uid int, modseq bigint, thread_id uuid)
LANGUAGE plpgsql AS $$
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

-- Annotations of a mailbox, or of the server (p_mailbox of zeros): a NULL value removes one. All or none. A mailbox's
-- modseq rises when something changed (RFC 7162 section 3.2).
CREATE FUNCTION metadata_set_v1(
    p_account int, p_mailbox uuid, p_entries text[], p_values bytea[], p_most int, p_most_in_all int
) RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
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

-- SUBSCRIBE (p_on) and UNSUBSCRIBE. Safe to repeat: what is so already costs no modseq.
CREATE FUNCTION subscription_set_v1(p_account int, p_name text, p_on boolean)
RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
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

-- Whether a delivery whose COMMIT was not answered happened. Takes the blob's id if it is still free: then
-- the delivery did not happen and never can. Waits (shortly) for a transaction that holds it.
CREATE FUNCTION ingest_resolve_v1(p_blob uuid, p_key text) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
BEGIN
    INSERT INTO blob (id, object_key, length, size, blake3, state, refs)
    VALUES (p_blob, p_key, 0, 0, '', 2, 0) ON CONFLICT (id) DO NOTHING;
    IF FOUND THEN
        RETURN false;
    END IF;
    RETURN (SELECT b.state = 0 FROM blob b WHERE b.id = p_blob);
END $$;

-- Keywords after a STORE. Keywords compare without case; the first spelling stays. NULL when none is left.
-- Bounded, since many rows with their keywords are in a node's memory at once.
CREATE FUNCTION keywords_apply_v1(p_old text[], p_mode smallint, p_given text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE AS $$
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

-- Flags of messages. p_mode: 0 set, 1 add, 2 remove. Messages whose modseq is above p_unchanged_since are
-- left alone (RFC 7162). What does not change costs no modseq.
-- outcome: 0 as it was, 1 changed, 2 conflict.
-- One function per partition: this is the hottest write after delivery, and planning it anew for a partition
-- named in dynamic SQL costs more than the rest (0.44 against 0.19 CPU-ms).
DO $do$
BEGIN
    FOR shard IN 0..31 LOOP
        EXECUTE replace($fn$
CREATE FUNCTION store_flags_v1_{p}(
    p_account int, p_mailbox uuid, p_uids int[], p_mode smallint, p_flags int, p_keywords text[],
    p_unchanged_since bigint
) RETURNS TABLE (uid int, flags int, keywords text[], modseq bigint, outcome smallint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
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
               SELECT x.ctid AS at, x.* FROM mailbox_message_{p} x
                WHERE x.account_id = p_account AND x.mailbox_id = p_mailbox AND x.uid = wanted.uid
               OFFSET 0) t
    ), c AS MATERIALIZED (
        SELECT * FROM o
         WHERE NOT o.conflict
           AND (o.flags <> o.new_flags OR o.keywords IS DISTINCT FROM o.new_keywords)
    ), u AS (
        UPDATE mailbox_message_{p} t
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
END $$
        $fn$, '{p}', shard::text);
    END LOOP;
END $do$;

-- Removes copies from a mailbox, and messages without a copy left. Shared by EXPUNGE, MOVE and purge.
-- The account is locked by the caller; p_modseq is the modseq of this change. Returns what was removed.
CREATE FUNCTION remove_copies_v1(
    p_account int, p_shard int, p_mailbox uuid, p_uids int[], p_only_deleted boolean, p_modseq bigint,
    p_position int
) RETURNS int[] LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
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
END $$;

-- EXPUNGE / UID EXPUNGE: those of p_uids that carry \Deleted. The modseq is the account's afterwards: one that
-- was not used must not be told, or whoever believes it misses the change that takes it.
CREATE FUNCTION expunge_v1(p_account int, p_shard int, p_mailbox uuid, p_uids int[])
RETURNS TABLE (uids int[], modseq bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_uids   int[];
BEGIN
    v_uids := remove_copies_v1(p_account, p_shard, p_mailbox, p_uids, true, v_modseq, 0);
    RETURN QUERY SELECT v_uids, v_modseq - (v_uids = '{}')::int;
END $$;

-- COPY (p_remove false) and MOVE (p_remove true): all or nothing. A copy shares the message. Returns the
-- UIDs pairwise, and the account's modseq afterwards; MOVE onto the same mailbox gives new UIDs.
CREATE FUNCTION copy_v1(
    p_account int, p_shard int, p_from uuid, p_uids int[], p_to uuid, p_remove boolean
) RETURNS TABLE (uidvalidity int, source_uids int[], target_uids int[], modseq bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
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
END $$;

-- A UIDVALIDITY that this account has never used: seconds of the clock, or one more than the last.
CREATE FUNCTION uidvalidity_next_v1(p_account int) RETURNS int LANGUAGE sql AS $$
    UPDATE account_state s
       SET last_uidvalidity = GREATEST(s.last_uidvalidity + 1, extract(epoch FROM now())::int)
     WHERE s.account_id = p_account RETURNING s.last_uidvalidity
$$;

-- The superior names of a mailbox name, outermost first.
CREATE FUNCTION mailbox_parents_v1(p_name text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT array_to_string((string_to_array(p_name, '/'))[1:n], '/')
      FROM generate_series(1, array_length(string_to_array(p_name, '/'), 1) - 1) n ORDER BY n
$$;

-- CREATE, with the superior names that are missing (RFC 9051 section 6.3.4: "the server SHOULD create any
-- superior hierarchical names that are needed"). p_ids: an id for each level that might be new.
CREATE FUNCTION mailbox_create_v1(p_account int, p_name text, p_role smallint, p_ids uuid[])
RETURNS TABLE (id uuid, modseq bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_modseq bigint := account_lock_v1(p_account) + 1;
    v_level  text;
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
        CONTINUE WHEN EXISTS (SELECT 1 FROM mailbox m
                 WHERE m.account_id = p_account AND m.name = v_level AND m.state = 0);
        v_made := v_made + 1;
        INSERT INTO mailbox (account_id, id, name, role, uidvalidity, highest_modseq, created_modseq)
        VALUES (p_account, p_ids[v_made], v_level, CASE WHEN v_level = p_name THEN p_role ELSE 0 END,
                uidvalidity_next_v1(p_account), v_modseq, v_modseq);
        INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
        VALUES (p_account, v_modseq, v_made - 1, 2, 1, p_ids[v_made]);
    END LOOP;
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    RETURN QUERY SELECT p_ids[v_made], v_modseq;
END $$;

-- RENAME, children included; missing superior names of the target are created. INBOX is not renamed but
-- emptied into a new mailbox (RFC 9051 section 6.3.6); its children stay.
CREATE FUNCTION mailbox_rename_v1(p_account int, p_shard int, p_from text, p_to text, p_ids uuid[], p_cap int)
RETURNS TABLE (modseq bigint) LANGUAGE plpgsql AS $$
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
END $$;

-- DELETE: marks one row; the messages are purged in the background.
CREATE FUNCTION mailbox_delete_v1(p_account int, p_name text)
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
    UPDATE account_state s SET modseq = v_modseq WHERE s.account_id = p_account;
    INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id)
    VALUES (p_account, v_modseq, 0, 2, 3, v_id);
    RETURN QUERY SELECT v_modseq;
END $$;

-- One chunk of the background purge of a deleted mailbox; true while something is left, false also for a
-- mailbox that is gone, or lives. The last chunk
-- removes the mailbox row itself. A deleted mailbox's messages left its account's view with the mailbox,
-- yet each gets its tombstone, since JMAP clients know messages, not mailboxes.
CREATE FUNCTION mailbox_purge_v1(p_account int, p_shard int, p_mailbox uuid, p_limit int)
RETURNS boolean LANGUAGE plpgsql AS $$
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
END $$;
