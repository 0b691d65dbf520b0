-- The queue of mail that leaves, and what operators say about it. Expands only: the binary before goes on
-- delivering local rows beside this one.
--
-- Recipients elsewhere are rows of queue_recipient like the local ones, so that whoever settles the last row
-- of a message sees all of them, whichever binary it runs. src/queue/model.rs states the rules that the
-- functions below follow.
--
--   state   waiting (0) ──due──▶ ready (1) ──claim──▶ owned (2) ──▶ gone, or settled (3) until its report is out
--              ▲                    ▲                    │
--              └───── not yet ──────┴──── again, or its owner is gone
--   9: a local row (account_id), which nobody claims.
--
-- "Ready" is "waiting and due", moved over once by whoever looks (a claim, the sweep). So a claim and a
-- sweep read what is due and nothing else: a million rows waiting for tomorrow are not even looked at, and a
-- hundred thousand due rows of one destination are one step of the sweep. One index serves for order and
-- fairness together only because everything in it is due.
ALTER TABLE queue_recipient
    ADD COLUMN state           smallint NOT NULL DEFAULT 9,
    ADD COLUMN destination     text COLLATE "C",        -- types::Destination: domain, or literal in brackets
    ADD COLUMN destination_key bigint,                  -- its hash
    ADD COLUMN rank            smallint NOT NULL DEFAULT 0, -- lower goes first: minus the priority (RFC 6710)
    ADD COLUMN owner           uuid,                    -- the incarnation, while owned
    ADD COLUMN attempt         int NOT NULL DEFAULT 0,  -- claims so far: with owner, the fence
    ADD COLUMN takeovers       int NOT NULL DEFAULT 0,  -- how often an owner was gone
    ADD COLUMN hold            boolean NOT NULL DEFAULT false,
    ADD COLUMN expires_at      timestamptz,
    ADD COLUMN result          jsonb,                   -- of the last attempt; of the end, once settled
    ADD CONSTRAINT queue_recipient_state CHECK (
        CASE state WHEN 9 THEN account_id IS NOT NULL
                   ELSE account_id IS NULL AND destination IS NOT NULL AND destination_key IS NOT NULL
                    AND expires_at IS NOT NULL AND (state = 2) = (owner IS NOT NULL) END);
ALTER TABLE queue_message
    ADD COLUMN content_offset int NOT NULL DEFAULT 0,   -- what leaves begins here: after Return-Path
    ADD COLUMN delay_at       timestamptz,              -- a report of delay is owed then; NULL: never, or done
    ADD COLUMN delay_sent     boolean NOT NULL DEFAULT false;

-- Rows of tenants come and go too often to lock the tenant's row each time.
ALTER TABLE queue_recipient DROP CONSTRAINT queue_recipient_tenant_id_fkey;
ALTER TABLE queue_message DROP CONSTRAINT queue_message_tenant_id_fkey;

-- Each of these holds the rows of one state only, so a row is in two or three indexes at a time.
-- The domain stands behind its hash because two domains may share one.
CREATE INDEX queue_ready ON queue_recipient (destination_key, destination, tenant_id, rank, due, id)
    WHERE state = 1 AND NOT hold;
CREATE INDEX queue_waiting_of ON queue_recipient (destination_key, due) WHERE state = 0 AND NOT hold;
CREATE INDEX queue_waiting ON queue_recipient (due) WHERE state = 0 AND NOT hold;
CREATE INDEX queue_owned ON queue_recipient (owner) WHERE state = 2;
CREATE INDEX queue_settled ON queue_recipient (queue_id) WHERE state = 3;
CREATE INDEX queue_delayed ON queue_message (delay_at) WHERE delay_at IS NOT NULL;
DROP INDEX queue_recipient_account;
CREATE INDEX queue_recipient_account ON queue_recipient (account_id) WHERE account_id IS NOT NULL;

-- What happened to queued mail, kept some days longer than the mail. One index: queue ids are in the order of
-- time, so old messages are at its beginning.
CREATE TABLE queue_event (
    queue_id     uuid NOT NULL,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    recipient_id bigint,
    recipient    text,
    at           timestamptz NOT NULL DEFAULT now(),
    kind         smallint NOT NULL,                     -- 1 attempt, 2 takeover, 3 report, 4 operator
    node         uuid,                                  -- whose attempt; who was gone; who wrote the report
    attempt      int,
    outcome      smallint,                              -- of an attempt: 0 delivered, 1 failed, 2 expired, 3 again
    recorded     smallint NOT NULL DEFAULT 0,           -- 0 it counted, 1 too late, 2 the row was gone
    detail       jsonb NOT NULL DEFAULT '{}',
    reverse_path text,                                  -- of the message, with the event that ends a recipient
    received_at  timestamptz,
    PRIMARY KEY (queue_id, id)
);

-- Destinations that nothing leaves for; '*' is all.
CREATE TABLE queue_pause (
    destination text COLLATE "C" PRIMARY KEY,
    since       timestamptz NOT NULL DEFAULT now(),
    reason      text NOT NULL DEFAULT ''
);

-- How mail leaves. The most special pattern counts: a domain, '*.domain', '*'.
CREATE TABLE route (
    pattern     text COLLATE "C" PRIMARY KEY,
    relay_host  text,                                   -- NULL: by MX
    relay_port  int,
    protocol    text NOT NULL DEFAULT 'smtp' CHECK (protocol IN ('smtp', 'lmtp')),
    tls         text NOT NULL DEFAULT 'opportunistic'
                CHECK (tls IN ('none', 'opportunistic', 'starttls', 'implicit')),
    tls_verify  boolean NOT NULL DEFAULT false,
    auth_user   text,
    auth_secret text,
    retry       jsonb,                                  -- first, longest, expire in seconds; NULL: the default
    changed_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((relay_host IS NULL) = (relay_port IS NULL)),
    CHECK ((auth_user IS NULL) = (auth_secret IS NULL))
);

-- How much at once. scope 'site' (name of a site or a destination pattern), 'tenant' (its name), 'sender'.
CREATE TABLE queue_limit (
    scope       text NOT NULL CHECK (scope IN ('site', 'tenant', 'sender')),
    pattern     text COLLATE "C" NOT NULL,
    connections int CHECK (connections > 0),
    messages    int CHECK (messages > 0),               -- per per_seconds
    per_seconds int NOT NULL DEFAULT 60 CHECK (per_seconds > 0),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, pattern)
);

-- Settings that nodes keep in memory: each reads the number every few seconds, and the rows when it has changed.
CREATE TABLE setting_version (
    name    text PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1
);
INSERT INTO setting_version (name) VALUES ('route'), ('queue_limit');

CREATE FUNCTION setting_changed_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE setting_version SET version = version + 1 WHERE name = TG_TABLE_NAME;
    RETURN NULL;
END $$;
CREATE TRIGGER route_changed AFTER INSERT OR UPDATE OR DELETE ON route
    FOR EACH STATEMENT EXECUTE FUNCTION setting_changed_v1();
CREATE TRIGGER queue_limit_changed AFTER INSERT OR UPDATE OR DELETE ON queue_limit
    FOR EACH STATEMENT EXECUTE FUNCTION setting_changed_v1();

-- Where a row goes that is free again: ready if it is due.
CREATE FUNCTION queue_free_state_v1(p_due timestamptz) RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT (CASE WHEN p_due <= now() THEN 1 ELSE 0 END)::smallint
$$;

-- Claims ready rows of one destination for a node whose lease runs: shared evenly between at most 16 tenants
-- in turn, beginning after p_after; each tenant's by rank, then by time. Rows that somebody else has locked
-- are left to them. Raises PR001 when the lease does not run.
CREATE FUNCTION queue_claim_v1(p_owner uuid, p_key bigint, p_destination text, p_most int, p_after int)
RETURNS TABLE (
    id bigint, queue_id uuid, tenant_id int, recipient text, rcpt jsonb, attempt int, attempts int, takeovers int,
    rank smallint, blob_id uuid, object_key text, blob_offset bigint, size bigint, content_offset int,
    reverse_path text, mail jsonb, received_at timestamptz, age float8, remaining float8, delay_sent boolean,
    after_tenant int)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
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

-- Removes messages that have no recipient left, of these. The caller has removed rows of them in this
-- transaction. Whoever still sees another row waits for the message, so that of two that remove the last rows
-- at the same time the second sees it.
CREATE FUNCTION queue_message_done_v1(p_messages uuid[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Writes what became of attempts; no recipient twice in one call. p_ruling: 0 delivered, 1 failed, 2 expired,
-- 3 again (after p_wait seconds; p_used: it counts). A delivery is a fact; everything else counts only from the
-- owner of that very attempt. With p_report the row stays, settled, until its report is out.
-- p_queue and p_recipient name what the event is about even when the row is gone; p_queue NULL: no event.
-- Gives, in order, 0 done, 1 late, 2 gone.
CREATE FUNCTION queue_record_v1(
    p_owner uuid, p_id bigint[], p_attempt int[], p_ruling smallint[], p_report boolean[], p_wait float8[],
    p_used boolean[], p_error text[], p_queue uuid[], p_recipient text[], p_detail jsonb[]
) RETURNS smallint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
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

-- Frees rows of nodes that are gone: of leases that still are as they were seen (p_stamp: microseconds; NULL: no
-- lease) and have run out. What kills its owners waits longer each time. Rows that somebody else has locked
-- are left for the next time.
CREATE FUNCTION queue_take_over_v1(p_by uuid, p_owner uuid[], p_stamp bigint[]) RETURNS SETOF text
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Frees what a node owns: everything (p_known NULL: it is going), or what it has had for p_age seconds without
-- knowing of it. No one was gone, so nothing is counted.
CREATE FUNCTION queue_free_v1(p_owner uuid, p_known bigint[], p_age float8) RETURNS SETOF text
LANGUAGE sql SET enable_seqscan = off AS $$
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

-- Makes due rows ready, then steps through the groups (destination, tenant, rank) of what is ready, from after
-- p_from on: at most p_limit of them. Gives each destination's oldest; paused ones too, so that a caller whose
-- steps are used up knows where it stands.
CREATE FUNCTION queue_sweep_v1(p_from bigint, p_limit int)
RETURNS TABLE (key bigint, destination text, overdue float8, steps int, paused boolean) LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Pays for settled recipients and delayed messages with a report that is written in this transaction. Raises
-- when one of them owes nothing any more: then somebody else wrote it.
CREATE FUNCTION queue_report_v1(p_node uuid, p_settled bigint[], p_delayed uuid[], p_detail jsonb)
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- deliver_v1, and recipients elsewhere, and the settling of what a report is about, in one transaction.
--
-- b_offset, b_delay: what leaves begins there; after so many seconds a report of delay is owed (NULL: never).
-- q_*: one entry per recipient elsewhere; q_blob indexes into b_*, which must be newborn and have a b_queue.
-- q_wait, q_expire: seconds. q_result: its end is known already and only a report is owed.
-- q_of: only if that delivery (index into d_*) was made.
-- s_*: recipients that b's report settles, and messages whose delay it tells.
-- d_tells: deliveries (indexes into d_*) out of the queue whose sender is told that they were made: what stays of the
-- queue row is one that owes that report.
CREATE FUNCTION deliver_v2(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_structure bytea[], b_preview text[],
    b_received timestamptz[], b_new boolean[], b_queue uuid[], b_tenant int[], b_reverse_path text[],
    b_envelope jsonb[],
    d_blob int[], d_account int[], d_mailbox uuid[], d_strict boolean[], d_message uuid[], d_flags int[],
    d_keywords text[], d_thread int[], d_queued bigint[], d_defer boolean[], d_recipient text[],
    t_account int[], t_default uuid[], r_thread int[], r_hash bigint[],
    p_skip_busy boolean,
    b_offset int[], b_delay float8[],
    q_blob int[], q_key bigint[], q_destination text[], q_tenant int[], q_rank smallint[], q_recipient text[],
    q_envelope jsonb[], q_wait float8[], q_expire float8[], q_result jsonb[], q_of int[],
    p_node uuid, s_settled_blob int[], s_settled bigint[], s_delayed_blob int[], s_delayed uuid[], d_tells int[]
) RETURNS TABLE (outcome smallint, mailbox_id uuid, uidvalidity int, uid int, modseq bigint, thread_id uuid)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Recipients elsewhere, in the transaction of the deliveries. Blobs and queue rows that the deliveries already
-- made are added to, the others are born here.
CREATE FUNCTION queue_remote_v1(
    b_id uuid[], b_key text[], b_size bigint[], b_blake3 bytea[], b_received timestamptz[], b_new boolean[],
    b_queue uuid[], b_tenant int[], b_reverse_path text[], b_envelope jsonb[], b_offset int[], b_delay float8[],
    d_blob int[], d_outcome smallint[],
    q_blob int[], q_key bigint[], q_destination text[], q_tenant int[], q_rank smallint[], q_recipient text[],
    q_envelope jsonb[], q_wait float8[], q_expire float8[], q_result jsonb[], q_of int[]
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Whether the sender wants to hear (RFC 3461 §4.1; without NOTIFY of failure and delay). p_mail: parameters of the
-- message, among which those of local recipients stand.
CREATE FUNCTION queue_wants_v1(p_wish text, p_reverse_path text, p_rcpt jsonb, p_mail jsonb, p_recipient text)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_reverse_path <> ''
       AND COALESCE(COALESCE(p_rcpt->'notify', p_mail->'recipients'->p_recipient->'notify') ? p_wish,
                    p_wish <> 'success')
$$;

-- The rows that an operator means, by id after p_after. NULL: whatever. p_state: 0 waiting, 1 due, 2 being sent,
-- 3 settled, 9 local, 10 held. Planned anew each time, so that what is given chooses the index.
CREATE FUNCTION queue_select_v1(
    p_ids bigint[], p_queues uuid[], p_domain text, p_sender text, p_recipient text, p_state smallint, p_tenant int,
    p_older float8, p_after bigint, p_limit int
) RETURNS SETOF bigint LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET jit = off AS $$
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

-- What an operator does to these rows. p_action: 'retry', 'hold', 'release', 'cancel', 'bounce', 'redirect' (to
-- p_recipient, or only by way of p_destination). Rows that somebody has locked at this moment are left alone, and of
-- those being sent only 'hold', 'release', 'cancel' and 'bounce' take hold: what their attempt brings is then only
-- noted. Gives what was changed.
CREATE FUNCTION queue_change_v1(
    p_action text, p_ids bigint[], p_recipient text, p_destination text, p_key bigint, p_by text
) RETURNS TABLE (id bigint, destination text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

-- Removes at most p_limit events of messages from before p_before that are done. Gives their number.
CREATE FUNCTION queue_events_prune_v1(p_before uuid, p_age float8, p_limit bigint) RETURNS bigint
LANGUAGE sql SET enable_seqscan = off AS $$
    WITH gone AS (
        DELETE FROM queue_event WHERE ctid = ANY (ARRAY(
            SELECT e.ctid FROM queue_event e
             WHERE e.queue_id < p_before AND e.at < now() - make_interval(secs => p_age)
               AND NOT EXISTS (SELECT FROM queue_message m WHERE m.id = e.queue_id)
             ORDER BY e.queue_id, e.id LIMIT p_limit))
        RETURNING 1)
    SELECT count(*) FROM gone
$$;

-- The end of a local recipient that cannot be delivered. Its sender is told if it wants to hear of failures. Raises
-- when the row is gone: somebody else settled it.
CREATE FUNCTION queue_local_end_v1(p_id bigint, p_result jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
