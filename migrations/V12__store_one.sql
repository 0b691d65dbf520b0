-- STORE of one message, the most frequent write of all: what clients do when somebody reads or marks a message.
--
-- As store_flags_v1, in statements of one row each. They run faster than one that is fit for a thousand, and a
-- connection that meets a partition for the first time plans them in a tenth of the time. Nothing returned: there is no
-- such message.
DO $do$
BEGIN
    FOR shard IN 0..31 LOOP
        EXECUTE replace($fn$
CREATE FUNCTION store_flags_one_v1_{p}(
    p_account int, p_mailbox uuid, p_uid int, p_mode smallint, p_flags int, p_keywords text[],
    p_unchanged_since bigint
) RETURNS TABLE (uid int, flags int, keywords text[], modseq bigint, outcome smallint)
LANGUAGE plpgsql SET lock_timeout = '250ms' SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
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
      FROM mailbox_message_{p} t
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
        UPDATE mailbox_message_{p} t SET flags = v_new, keywords = v_keywords, modseq = v_modseq WHERE t.ctid = v_at;
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
END $$
        $fn$, '{p}', shard::text);
    END LOOP;
END $do$;
