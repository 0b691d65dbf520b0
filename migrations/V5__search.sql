-- The search index. Expands only: a binary that does not know it reads every message, as before.
--
-- A signature is a set of bits: one for every sequence of three and of four octets in a message's text (as it is
-- searched: decoded, folded). A text that is not all in the set is not in the message; what may be there the blob
-- confirms. So an index never decides what is found, only what need not be read.
--
-- * One row per message, shared by its copies, gone with it: the foreign key removes it, whoever deletes the message,
--   the binary before this one too. It stands on the partitions, so that it looks at one and not at 32.
-- * At most 3,936 octets, plain and in place: two rows fill a page, and a look at one bit copies nothing.
-- * Rows come in batches of one account, so those of a batch lie together.
CREATE TABLE search_signature (
    account_id int NOT NULL,
    format     smallint NOT NULL,                   -- mail::search: how the text was read; others are as none
    complete   boolean NOT NULL,                    -- the whole text is in it
    message_id uuid NOT NULL,
    signature  bytea NOT NULL,
    PRIMARY KEY (account_id, message_id)
) PARTITION BY HASH (account_id);

DO $$
BEGIN
    FOR shard IN 0..31 LOOP
        EXECUTE format('CREATE TABLE search_signature_%s PARTITION OF search_signature
                        FOR VALUES WITH (MODULUS 32, REMAINDER %s)', shard, shard);
        EXECUTE format('ALTER TABLE search_signature_%s ALTER signature SET STORAGE PLAIN,
                        ADD CONSTRAINT search_signature_%s_message FOREIGN KEY (account_id, message_id)
                        REFERENCES message_%s ON DELETE CASCADE', shard, shard, shard);
    END LOOP;
END $$;

-- How far an account's change log has been indexed. No row: not at all.
CREATE TABLE search_state (
    account_id int PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    modseq     bigint NOT NULL
) WITH (fillfactor = 50);
