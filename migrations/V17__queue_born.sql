-- Mail that is born as its node's own: whoever accepts it and sends it at once need not be told of it nor claim it.
-- Expands only: the binary before goes on with deliver_v2.

-- As queue_remote_v1. q_mine: a recipient that p_owner sends itself; it is born owned if p_owner's lease runs and its
-- destination is not paused, and ready for everybody otherwise. Gives the numbers (in q_*) and ids of those that are owned.
CREATE FUNCTION queue_remote_v2(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_received timestamptz[], b_new boolean[],
    b_queue uuid[], b_tenant int[], b_reverse_path text[], b_envelope jsonb[], b_offset int[], b_delay float8[],
    d_blob int[], d_outcome smallint[],
    q_blob int[], q_key bigint[], q_destination text[], q_tenant int[], q_rank smallint[], q_recipient text[],
    q_envelope jsonb[], q_wait float8[], q_expire float8[], q_result jsonb[], q_of int[], q_mine boolean[],
    p_owner uuid
) RETURNS TABLE (ord int, id bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- As deliver_v2, and after its rows one for each recipient elsewhere that is p_owner's: outcome NULL, uid its number in
-- q_*, and its id.
CREATE FUNCTION deliver_v3(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[],
    b_received timestamptz[], b_new boolean[], b_queue uuid[], b_tenant int[], b_reverse_path text[],
    b_envelope jsonb[],
    d_blob int[], d_account int[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags int[],
    d_keywords text[], d_thread int[], d_queued bigint[], d_defer boolean[], d_recipient text[],
    t_account int[], t_default uuid[], r_thread int[], r_hash bigint[],
    p_skip_busy boolean,
    b_offset int[], b_delay float8[],
    q_blob int[], q_key bigint[], q_destination text[], q_tenant int[], q_rank smallint[], q_recipient text[],
    q_envelope jsonb[], q_wait float8[], q_expire float8[], q_result jsonb[], q_of int[], q_mine boolean[],
    p_owner uuid,
    p_node uuid, s_settled_blob int[], s_settled bigint[], s_delayed_blob int[], s_delayed uuid[], d_tells int[]
) RETURNS TABLE (
    outcome smallint, mailbox_id uuid, uidvalidity int, uid int, modseq bigint, thread_id uuid, recipient_id bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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
