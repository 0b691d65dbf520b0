-- Keys of mailboxes for URLs that let others fetch a message (RFC 4467): made when the first such URL is, thrown away by
-- RESETKEY, which makes all URLs that were signed with them void.
CREATE TABLE url_key (
    account_id int NOT NULL,
    mailbox_id uuid NOT NULL,
    key        bytea NOT NULL CHECK (length(key) = 32),
    PRIMARY KEY (account_id, mailbox_id),
    FOREIGN KEY (account_id, mailbox_id) REFERENCES mailbox (account_id, id) ON DELETE CASCADE
);
