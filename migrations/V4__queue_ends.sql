-- Ends that no attempt brings: mail whose time is over, and mail for a domain that has become ours; and what domains
-- publish about their mail. Expands only.

-- What an attempt is under way for is not among them: its result decides.
CREATE INDEX queue_expires ON queue_recipient (expires_at) WHERE state IN (0, 1);

-- Ends recipients elsewhere that nobody owns and the caller has locked. p_action: 'failed' or 'delivered'. Whose
-- sender wants to hear of it stays, settled, until its report is out.
CREATE FUNCTION queue_end_v1(p_ids bigint[], p_node uuid, p_outcome smallint, p_action text, p_result jsonb)
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- Gives up at most p_limit recipients elsewhere whose time was over p_grace seconds ago: held, paused, limited, or
-- never come to. The grace leaves the last try to whoever is about to make it. Gives their number.
CREATE FUNCTION queue_expire_v1(p_node uuid, p_grace float8, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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

-- A recipient elsewhere whose domain is ours is delivered here: its row becomes one per account, each a local
-- recipient; whoever has the message already, or is about to get it, gets no second one. Without accounts it fails for
-- the reason in p_result, but not in the domain's first hour, in which its accounts are being made. Gives false when
-- somebody else has it, or it is held.
CREATE FUNCTION queue_home_v1(p_id bigint, p_node uuid, p_accounts int[], p_result jsonb) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
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

-- What is due for a destination that is ours, at most p_limit of it.
CREATE FUNCTION queue_astray_v1(p_destination text, p_key bigint, p_limit bigint)
RETURNS TABLE (id bigint, recipient text) LANGUAGE sql SET enable_seqscan = off AS $$
    (SELECT r.id, r.recipient FROM queue_recipient r
      WHERE r.state = 1 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
      ORDER BY r.destination_key, r.destination, r.tenant_id, r.rank, r.due LIMIT p_limit)
    UNION ALL
    (SELECT r.id, r.recipient FROM queue_recipient r
      WHERE r.state = 0 AND NOT r.hold AND r.destination_key = p_key AND r.destination = p_destination
        AND r.due <= now()
      ORDER BY r.due LIMIT p_limit)
$$;

-- MTA-STS policies (RFC 8461) as they were fetched last, for all nodes: whoever discovers one discovers it for all, and
-- one in force outlives a DNS answer that is missing. Written over when it is fetched anew.
CREATE TABLE mta_sts (
    domain      text COLLATE "C" PRIMARY KEY,           -- A-labels
    id          text NOT NULL,                          -- by which it was announced
    mode        text NOT NULL CHECK (mode IN ('enforce', 'testing', 'none')),
    mx          text[] NOT NULL,                        -- names, or *.name
    fetched_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL                    -- no longer in force, and then it goes
);
CREATE INDEX mta_sts_expires ON mta_sts (expires_at);
