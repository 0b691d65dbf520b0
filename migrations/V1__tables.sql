-- The tables of the first whole mile. ARCHITECTURE.md explains the shapes; what follows are the reasons
-- that a reader of the SQL needs.
--
-- * account_id, everywhere first in the key: no hot query crosses accounts.
-- * message and mailbox_message are hash-partitioned by account_id from the start (32). Reads name the
--   partition themselves (store::sql), because plans over the parent cost more than the query.
-- * mailbox_message carries all that a flag or size list needs and is updated in place (fillfactor 90, no
--   index on flags or modseq); message is wide and never changes after insert.

-- A migration that old binaries cannot live with raises oldest_binary to the schema version that a binary
-- must have been built with; an expanding one leaves it, so that two versions run side by side.
CREATE TABLE schema_compatibility (
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    oldest_binary int NOT NULL
);
INSERT INTO schema_compatibility (oldest_binary) VALUES (2);

CREATE TABLE tenant (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenant (name) VALUES ('default');

CREATE TABLE domain (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenant,
    name        text NOT NULL UNIQUE,               -- lower-case A-labels
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE account (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    int NOT NULL REFERENCES tenant,
    domain_id    int NOT NULL REFERENCES domain,
    address      text NOT NULL,                     -- normalised, see types::EmailAddress
    display_name text NOT NULL DEFAULT '',
    state        smallint NOT NULL DEFAULT 0,       -- 0 active, 1 disabled, 2 removed (being purged)
    created_at   timestamptz NOT NULL DEFAULT now(),
    removed_at   timestamptz
);
CREATE UNIQUE INDEX account_address ON account (address) WHERE state <> 2;
CREATE INDEX account_domain ON account (domain_id);
CREATE INDEX account_removed ON account (id) WHERE state = 2;

-- version rises with every change, so that a node's memory of a success dies with the old password.
CREATE TABLE credential (
    account_id    int PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    argon2id      text NOT NULL,
    scram_sha_256 text,
    version       bigint NOT NULL DEFAULT 1,
    changed_at    timestamptz NOT NULL DEFAULT now()
);

-- An alias with several rows delivers to each account. '@example.org' catches what nothing else takes.
CREATE TABLE alias (
    address     text NOT NULL,
    account_id  int NOT NULL REFERENCES account ON DELETE CASCADE,
    domain_id   int NOT NULL REFERENCES domain,
    PRIMARY KEY (address, account_id)
);
CREATE INDEX alias_account ON alias (account_id);
CREATE INDEX alias_domain ON alias (domain_id);

-- The one hot row per account: locked first, in ascending account_id, by every writer of account data.
CREATE TABLE account_state (
    account_id       int PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    modseq           bigint NOT NULL DEFAULT 0,
    change_floor     bigint NOT NULL DEFAULT 0,     -- changes at or below this are no longer in the log
    last_uidvalidity int NOT NULL DEFAULT 0,
    used_bytes       bigint NOT NULL DEFAULT 0,     -- sum of message.size: copies share the message
    used_messages    bigint NOT NULL DEFAULT 0,     -- count of message rows
    quota_bytes      bigint,                        -- NULL: no limit
    quota_messages   bigint
) WITH (fillfactor = 50);

CREATE TABLE mailbox (
    account_id     int NOT NULL REFERENCES account ON DELETE CASCADE,
    id             uuid NOT NULL,
    name           text NOT NULL,                   -- full path, '/' between levels; every parent exists
    role           smallint NOT NULL DEFAULT 0,     -- special use (RFC 6154), see types
    state          smallint NOT NULL DEFAULT 0,     -- 0 live, 1 deleted (being purged)
    uidvalidity    int NOT NULL,
    uidnext        int NOT NULL DEFAULT 1,
    highest_modseq bigint NOT NULL,
    created_modseq bigint NOT NULL,
    total          int NOT NULL DEFAULT 0,
    unseen         int NOT NULL DEFAULT 0,
    deleted        int NOT NULL DEFAULT 0,          -- messages with \Deleted
    size           bigint NOT NULL DEFAULT 0,
    recent_uid     int NOT NULL DEFAULT 1,          -- UIDs from here on are \Recent for the next session
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX mailbox_name ON mailbox (account_id, name) WHERE state = 0;
CREATE UNIQUE INDEX mailbox_role ON mailbox (account_id, role) WHERE state = 0 AND role <> 0;
CREATE INDEX mailbox_purge ON mailbox (account_id, id) WHERE state = 1;

-- Apart from mailbox: a subscription outlives its mailbox (RFC 9051 section 6.3.7).
CREATE TABLE subscription (
    account_id int NOT NULL REFERENCES account ON DELETE CASCADE,
    name       text NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- Annotations of mailboxes (RFC 5464); mailbox_id of zeros: of the server, as this account sees it.
CREATE TABLE annotation (
    account_id int NOT NULL REFERENCES account ON DELETE CASCADE,
    mailbox_id uuid NOT NULL,
    entry      text NOT NULL,                       -- lower-case
    value      bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, entry)
);

-- Stored bytes. refs counts the rows that point here (message, queue_message) as they were at birth;
-- later changes are appended to blob_delta and folded in by the collector, so that nobody ever waits
-- for a blob row. id is made by the node and doubles as the ingest id: to learn what became of an
-- unanswered COMMIT, somebody inserts the same id with state 2 (void) and sees whether it was free.
CREATE TABLE blob (
    id          uuid PRIMARY KEY,
    object_key  text NOT NULL,
    "offset"    bigint NOT NULL DEFAULT 0,
    length      bigint NOT NULL,                    -- stored bytes
    size        bigint NOT NULL,                    -- bytes of the message
    blake3      bytea NOT NULL,
    format      smallint NOT NULL DEFAULT 0,        -- 0 plain
    key_id      uuid,
    state       smallint NOT NULL DEFAULT 0,        -- 0 live, 1 deleting, 2 void
    refs        int NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX blob_dead ON blob (id) WHERE state <> 0;

CREATE TABLE blob_delta (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    blob_id uuid NOT NULL,
    delta   smallint NOT NULL
);

CREATE TABLE message (
    account_id  int NOT NULL,
    id          uuid NOT NULL,
    blob_id     uuid NOT NULL,
    size        int NOT NULL,                       -- RFC822.SIZE
    received_at timestamptz NOT NULL,
    structure   bytea NOT NULL,                     -- message::Structure, encoded
    preview     text NOT NULL,                      -- RFC 8970
    PRIMARY KEY (account_id, id)
) PARTITION BY HASH (account_id);

CREATE TABLE mailbox_message (
    account_id  int NOT NULL,
    mailbox_id  uuid NOT NULL,
    uid         int NOT NULL,
    flags       int NOT NULL,                       -- types::Flags
    modseq      bigint NOT NULL,
    message_id  uuid NOT NULL,
    thread_id   uuid NOT NULL,
    received_at timestamptz NOT NULL,               -- INTERNALDATE
    saved_at    timestamptz NOT NULL,               -- when this copy came into this mailbox (RFC 8514)
    size        int NOT NULL,
    keywords    text[],                             -- flags without a bit; NULL when none
    PRIMARY KEY (account_id, mailbox_id, uid)
) PARTITION BY HASH (account_id);
CREATE INDEX mailbox_message_id ON mailbox_message (account_id, message_id);

DO $$
BEGIN
    FOR shard IN 0..31 LOOP
        EXECUTE format('CREATE TABLE message_%s PARTITION OF message
                        FOR VALUES WITH (MODULUS 32, REMAINDER %s)', shard, shard);
        EXECUTE format('CREATE TABLE mailbox_message_%s PARTITION OF mailbox_message
                        FOR VALUES WITH (MODULUS 32, REMAINDER %s) WITH (fillfactor = 90)', shard, shard);
    END LOOP;
END $$;

-- Which conversation a Message-ID belongs to: a 64-bit hash of every id that a message carries or cites.
CREATE TABLE thread_ref (
    account_id int NOT NULL REFERENCES account ON DELETE CASCADE,
    ref_hash   bigint NOT NULL,
    thread_id  uuid NOT NULL,
    PRIMARY KEY (account_id, ref_hash)
);

-- The change log. One row per mailbox, kind and operation of a commit, with all its UIDs in an array: a
-- STORE over a thousand messages is one row. A JMAP state is modseq[.position], position counting the
-- objects of one modseq.
CREATE TABLE change (
    account_id int NOT NULL REFERENCES account ON DELETE CASCADE,
    modseq     bigint NOT NULL,
    position   int NOT NULL,                        -- of this row's first object within modseq
    kind       smallint NOT NULL,                   -- 1 message, 2 mailbox, 3 annotations, 4 subscription
    op         smallint NOT NULL,                   -- 1 created, 2 updated, 3 destroyed
    mailbox_id uuid NOT NULL,                       -- zeros: of the account itself (kinds 3 and 4)
    uids       int[],                               -- ascending; NULL for all but messages
    object_ids uuid[],                              -- message ids, in the order of uids
    names      text[],                              -- what changed, for kinds 3 and 4
    PRIMARY KEY (account_id, modseq, position)
);

-- The queue. Today only recipients of this cluster that could not be delivered inline stand here.
CREATE TABLE queue_message (
    id            uuid PRIMARY KEY,
    tenant_id     int NOT NULL REFERENCES tenant,
    blob_id       uuid NOT NULL,
    reverse_path  text NOT NULL,                    -- '' is the null reverse-path
    size          bigint NOT NULL,
    received_at   timestamptz NOT NULL,
    envelope      jsonb NOT NULL DEFAULT '{}'       -- DSN and other ESMTP parameters of MAIL
);
CREATE TABLE queue_recipient (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id      uuid NOT NULL REFERENCES queue_message,
    tenant_id     int NOT NULL REFERENCES tenant,
    account_id    int,                              -- the local account
    mailbox_id    uuid,                             -- wanted mailbox, NULL: INBOX
    recipient     text NOT NULL,                    -- forward-path as given
    envelope      jsonb NOT NULL DEFAULT '{}',      -- DSN parameters of RCPT
    attempts      int NOT NULL DEFAULT 0,
    due           timestamptz NOT NULL,
    last_error    text NOT NULL DEFAULT ''
);
CREATE INDEX queue_recipient_due ON queue_recipient (due) WHERE account_id IS NOT NULL;
CREATE INDEX queue_recipient_message ON queue_recipient (queue_id);
CREATE INDEX queue_recipient_account ON queue_recipient (account_id);

-- One lease per node, by the database's clock.
CREATE TABLE node_lease (
    incarnation uuid PRIMARY KEY,
    version     text NOT NULL,
    schema      int NOT NULL,
    roles       text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

-- Jobs that run on one node at a time.
CREATE TABLE job_lease (
    name       text PRIMARY KEY,
    owner      uuid NOT NULL,
    expires_at timestamptz NOT NULL
);
