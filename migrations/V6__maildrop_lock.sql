-- POP3: one session at a time has a maildrop (RFC 1939 section 4), whichever node it is on. Expands only: the
-- binary before knows no POP3.
--
-- The lock is a lease by the database's clock, renewed by the node that holds it: it holds across nodes, and
-- falls by itself when one dies. holder is a session's own random id and the fence: whoever takes a lease that
-- ran out writes another one, so a session that slept too long finds its id gone in the very transaction that
-- would remove messages. A lease that ran out and that nobody took still keeps its promise.
CREATE TABLE maildrop_lock (
    account_id int PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    holder     uuid NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- QUIT: removes messages from the maildrop, whatever flags they carry, if the lock is still the session's, and
-- gives the lock back with the last of them. The account is locked first, as by every writer of its data; who
-- takes or renews a lock locks its row alone. The modseq is the account's afterwards.
CREATE FUNCTION maildrop_update_v1(
    p_account int, p_shard int, p_mailbox uuid, p_holder uuid, p_uids int[], p_last boolean
) RETURNS TABLE (uids int[], modseq bigint) LANGUAGE plpgsql AS $$
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
