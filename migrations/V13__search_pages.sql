-- Header fields of large mailboxes, so that a search for a subject in a million messages reads a few of them. Expands
-- only: a binary that does not know it reads every message's fields, as before.
--
-- A page is 1,024 UIDs in a row, all of which have been given: so it never changes, and whoever makes it makes the same.
-- It is a table of bits, a column for each UID and a row (a slice) for each thing that a field may hold; who looks for a
-- text reads some rows, 128 octets each, and needs to look only at the messages that have a bit in all of them.
-- Kept out of line and as it is, so that a slice is read without the rest.
CREATE TABLE search_page (
    account_id int NOT NULL,
    mailbox_id uuid NOT NULL,
    page       int NOT NULL,                        -- its UIDs are page * 1024 and the 1,023 after it
    format     smallint NOT NULL,                   -- mail::search: how fields were read; others are as none
    slices     bytea NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, page),
    FOREIGN KEY (account_id, mailbox_id) REFERENCES mailbox ON DELETE CASCADE
);
ALTER TABLE search_page ALTER slices SET STORAGE EXTERNAL;
