-- Claims that tell whether more is due, so that whoever works a destination off need not ask once more to learn that
-- nothing is left. Expands only: the binary before goes on with queue_claim_v1.

-- Claims ready rows of one destination for a node whose lease runs: shared evenly between at most 16 tenants
-- in turn, beginning after p_after; each tenant's by rank, then by time. Rows that somebody else has locked
-- are left to them. more: a tenant has used its whole share, or as many tenants as may have had one, so that another claim
-- may bring more; otherwise nothing is left but what somebody else has locked. Raises PR001 when the lease does not run.
-- Most claims find rows of one tenant, and none that have just fallen due: those are two statements.
CREATE FUNCTION queue_claim_v2(p_owner uuid, p_key bigint, p_destination text, p_most int, p_after int)
RETURNS TABLE (
    id bigint, queue_id uuid, tenant_id int, recipient text, rcpt jsonb, attempt int, attempts int, takeovers int,
    rank smallint, blob_id uuid, object_key text, blob_offset bigint, size bigint, content_offset int,
    reverse_path text, mail jsonb, received_at timestamptz, age float8, remaining float8, delay_sent boolean,
    after_tenant int, more boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
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
