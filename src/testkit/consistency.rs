//! What must hold in every database at every moment, each with a name and a question that finds what breaks it.
//!
//! Run after every integration test, over everything. An invariant's SQL gives one row of one text per
//! violation; the first few are shown.

use anyhow::{Context, Result, bail};
use blob::{BlobStore, ObjectKey};
use tokio_postgres::Client;

/// A named invariant.
pub struct Invariant {
    /// Its name, in tests and reports.
    pub name: &'static str,
    /// What must hold, in a sentence.
    pub holds: &'static str,
    /// Gives one text per violation.
    sql: &'static str,
}

/// Shown per invariant.
const EXAMPLES: usize = 5;

macro_rules! invariants {
    ($($name:ident: $holds:literal, $sql:expr;)*) => {
        /// All of them.
        pub const INVARIANTS: &[Invariant] = &[
            $(Invariant { name: stringify!($name), holds: $holds, sql: $sql }),*
        ];
    };
}

invariants! {
    uid_below_uidnext: "every UID is at least 1 and below its mailbox's UIDNEXT",
        "SELECT format('account %s mailbox %s uid %s uidnext %s', c.account_id, m.name, c.uid, m.uidnext)
           FROM mailbox_message c JOIN mailbox m ON m.account_id = c.account_id AND m.id = c.mailbox_id
          WHERE c.uid < 1 OR c.uid >= m.uidnext";
    modseq_order: "a copy's modseq is at most its mailbox's highest, and that at most its account's",
        "SELECT format('account %s mailbox %s uid %s: %s, %s, %s', c.account_id, m.name, c.uid, c.modseq,
                       m.highest_modseq, s.modseq)
           FROM mailbox_message c JOIN mailbox m ON m.account_id = c.account_id AND m.id = c.mailbox_id
           JOIN account_state s ON s.account_id = c.account_id
          WHERE c.modseq < 1 OR c.modseq > m.highest_modseq OR c.modseq < m.created_modseq
         UNION ALL
         SELECT format('account %s mailbox %s: %s to %s, account at %s', m.account_id, m.name,
                       m.created_modseq, m.highest_modseq, s.modseq)
           FROM mailbox m JOIN account_state s USING (account_id)
          WHERE m.highest_modseq > s.modseq OR m.created_modseq > m.highest_modseq";
    mailbox_counters: "a mailbox's counters are what its copies add up to",
        "SELECT format('account %s mailbox %s: %s %s %s %s instead of %s %s %s %s', m.account_id, m.name,
                       m.total, m.unseen, m.deleted, m.size, x.total, x.unseen, x.deleted, x.size)
           FROM mailbox m CROSS JOIN LATERAL (
                SELECT count(*) AS total, count(*) FILTER (WHERE flags & 1 = 0) AS unseen,
                       count(*) FILTER (WHERE flags & 8 <> 0) AS deleted, COALESCE(sum(size), 0) AS size
                  FROM mailbox_message c WHERE c.account_id = m.account_id AND c.mailbox_id = m.id) x
          WHERE (m.total, m.unseen, m.deleted, m.size) <> (x.total, x.unseen, x.deleted, x.size)";
    account_usage: "an account's usage is what its messages add up to",
        "SELECT format('account %s: %s bytes, %s messages instead of %s, %s', s.account_id, s.used_bytes,
                       s.used_messages, x.bytes, x.n)
           FROM account_state s CROSS JOIN LATERAL (
                SELECT count(*) AS n, COALESCE(sum(size), 0) AS bytes FROM message g
                 WHERE g.account_id = s.account_id) x
          WHERE (s.used_bytes, s.used_messages) <> (x.bytes, x.n)";
    message_has_copy: "every message lies in at least one mailbox",
        "SELECT format('account %s message %s', g.account_id, g.id) FROM message g
          WHERE NOT EXISTS (SELECT FROM mailbox_message c
                             WHERE c.account_id = g.account_id AND c.message_id = g.id)";
    copy_has_message: "every copy has its message, of its size and date, and its mailbox",
        "SELECT format('account %s mailbox %s uid %s message %s', c.account_id, c.mailbox_id, c.uid,
                       c.message_id)
           FROM mailbox_message c
           LEFT JOIN message g ON g.account_id = c.account_id AND g.id = c.message_id
           LEFT JOIN mailbox m ON m.account_id = c.account_id AND m.id = c.mailbox_id
          WHERE g.id IS NULL OR m.id IS NULL OR g.size <> c.size OR g.received_at <> c.received_at";
    copies_share_thread: "all copies of one message belong to one conversation",
        "SELECT format('account %s message %s', account_id, message_id) FROM mailbox_message
          GROUP BY account_id, message_id HAVING count(DISTINCT thread_id) > 1";
    keywords_are_set: "a copy's keywords are a non-empty set, or NULL",
        "SELECT format('account %s mailbox %s uid %s: %s', account_id, mailbox_id, uid, keywords)
           FROM mailbox_message c
          WHERE keywords = '{}' OR cardinality(keywords) <>
                (SELECT count(DISTINCT lower(k)) FROM unnest(keywords) k)";
    blob_is_live: "whatever a message or the queue refers to is a live blob of its size",
        "SELECT format('%s %s blob %s', r.what, r.id, r.blob_id) FROM (
                SELECT 'message' AS what, id, blob_id, size::bigint FROM message
                UNION ALL SELECT 'queue', id, blob_id, size FROM queue_message) r
           LEFT JOIN blob b ON b.id = r.blob_id
          WHERE b.id IS NULL OR b.state <> 0 OR b.size <> r.size";
    blob_references: "a live blob's count and its deltas are the rows that refer to it",
        "SELECT format('blob %s: %s, deltas %s, referred to %s times', b.id, b.refs, d.n, r.n) FROM blob b
          CROSS JOIN LATERAL (SELECT COALESCE(sum(delta), 0) AS n FROM blob_delta WHERE blob_id = b.id) d
          CROSS JOIN LATERAL (SELECT (SELECT count(*) FROM message WHERE blob_id = b.id)
                                   + (SELECT count(*) FROM queue_message WHERE blob_id = b.id) AS n) r
          WHERE b.state = 0 AND b.refs + d.n <> r.n OR b.state <> 0 AND r.n > 0";
    blob_delta_has_blob: "a delta belongs to a blob",
        "SELECT format('delta %s of %s', d.id, d.blob_id) FROM blob_delta d
          WHERE NOT EXISTS (SELECT FROM blob b WHERE b.id = d.blob_id AND b.state <> 2)";
    object_key_is_unique: "no two live blobs share an object",
        "SELECT object_key FROM blob WHERE state = 0 GROUP BY object_key, \"offset\" HAVING count(*) > 1";
    thread_of_known_account: "a conversation's hashes lead to one conversation that somebody named",
        "SELECT format('account %s hash %s', r.account_id, r.ref_hash) FROM thread_ref r
          WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = r.account_id) OR r.thread_id IS NULL";
    queue_is_due: "every queued recipient has a message, and a time within the day if it is a local one",
        "SELECT format('recipient %s of %s due %s', r.id, r.queue_id, r.due) FROM queue_recipient r
           LEFT JOIN queue_message m ON m.id = r.queue_id
          WHERE m.id IS NULL OR r.recipient = '' OR r.attempts < 0 OR r.tenant_id <> m.tenant_id
             OR r.state NOT IN (0, 1, 2, 3, 9) OR (r.state = 9) <> (r.account_id IS NOT NULL)
             OR r.state = 9 AND r.due > now() + interval '1 day'";
    queue_states: "a recipient elsewhere waits, is due, has an owner and an attempt, or has an end to report",
        "SELECT format('recipient %s of %s state %s due %s', r.id, r.queue_id, r.state, r.due)
           FROM queue_recipient r
          WHERE r.state <> 9 AND (r.destination IS NULL OR r.destination_key IS NULL OR r.expires_at IS NULL
             OR r.destination <> lower(r.destination)
             OR r.attempts > r.attempt OR r.takeovers > r.attempt
             OR (r.state = 2) <> (r.owner IS NOT NULL) OR r.state = 2 AND r.attempt = 0
             OR r.state IN (1, 2) AND r.due > clock_timestamp()
             OR r.state = 3 AND r.result->>'action' IS NULL)";
    queue_reports: "a report of delay is owed by what waits, to somebody",
        "SELECT format('message %s', m.id) FROM queue_message m
          WHERE m.delay_at IS NOT NULL AND (m.delay_sent OR m.reverse_path = '')";
    queue_has_recipients: "every queued message waits for somebody",
        "SELECT m.id::text FROM queue_message m
          WHERE NOT EXISTS (SELECT FROM queue_recipient r WHERE r.queue_id = m.id)";
    no_double_delivery: "whoever has a message in a mailbox does not have it in the queue as well",
        "SELECT format('account %s blob %s', r.account_id, m.blob_id)
           FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id
           JOIN message g ON g.account_id = r.account_id AND g.blob_id = m.blob_id";
    mailbox_tree: "an account has its INBOX, every parent exists, and no UIDVALIDITY comes twice",
        "SELECT format('account %s has no INBOX', a.id) FROM account a
          WHERE a.state <> 2 AND NOT EXISTS (SELECT FROM mailbox m WHERE m.account_id = a.id
                                              AND m.name = 'INBOX' AND m.state = 0)
         UNION ALL
         SELECT format('account %s mailbox %s has no parent %s', m.account_id, m.name, p.name)
           FROM mailbox m CROSS JOIN LATERAL mailbox_parents_v1(m.name) p(name)
          WHERE m.state = 0 AND NOT EXISTS (SELECT FROM mailbox o WHERE o.account_id = m.account_id
                                               AND o.name = p.name AND o.state = 0)
         UNION ALL
         SELECT format('account %s uidvalidity %s', m.account_id, m.uidvalidity) FROM mailbox m
           JOIN account_state s USING (account_id)
          GROUP BY m.account_id, m.uidvalidity, s.last_uidvalidity
         HAVING count(*) > 1 OR m.uidvalidity < 1 OR m.uidvalidity > s.last_uidvalidity
         UNION ALL
         SELECT format('account %s mailbox %s recent %s uidnext %s', account_id, name, recent_uid, uidnext)
           FROM mailbox WHERE recent_uid > uidnext";
    change_rows: "a change lies within the account's modseq, and its positions follow one another",
        "SELECT format('account %s modseq %s position %s', c.account_id, c.modseq, c.position) FROM (
            SELECT c.*, s.modseq AS now, s.change_floor,
                   COALESCE(sum(GREATEST(cardinality(c.uids), 1)) OVER (
                       PARTITION BY c.account_id, c.modseq ORDER BY c.position
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS due
              FROM change c JOIN account_state s USING (account_id)) c
          WHERE c.modseq > c.now OR c.modseq <= c.change_floor OR c.position <> c.due
             OR (c.kind = 1) <> (c.uids IS NOT NULL) OR c.kind NOT IN (1, 2, 3, 4, 5) OR c.op NOT IN (1, 2, 3)
             OR cardinality(c.uids) <> cardinality(c.object_ids)
             OR c.uids <> ARRAY(SELECT DISTINCT u FROM unnest(c.uids) u ORDER BY u)";
    change_log_is_complete: "every modseq of an account that is still logged has a change",
        "SELECT format('account %s modseq %s', s.account_id, g.modseq) FROM account_state s
           JOIN account a ON a.id = s.account_id AND a.state <> 2
          CROSS JOIN LATERAL generate_series(s.change_floor + 1, s.modseq) AS g(modseq)
          WHERE NOT EXISTS (SELECT FROM change c
                             WHERE c.account_id = s.account_id AND c.modseq = g.modseq)";
    change_log_replays: "replaying the log of a mailbox gives its copies, their messages and their modseqs",
        include_str!("consistency/change_log_replays.sql");
    mailbox_sees_changes: "a mailbox's highest modseq is that of its last change",
        "SELECT format('account %s mailbox %s: %s, logged %s', m.account_id, m.name, m.highest_modseq, x.last)
           FROM mailbox m JOIN account_state s USING (account_id)
           JOIN account a ON a.id = m.account_id AND a.state <> 2
          CROSS JOIN LATERAL (SELECT max(c.modseq) AS last FROM change c
                WHERE c.account_id = m.account_id AND c.mailbox_id = m.id
                  AND (c.kind <> 2 OR c.op <> 2) AND c.kind <> 5) x
          WHERE s.change_floor < m.highest_modseq AND m.highest_modseq IS DISTINCT FROM x.last";
    maildrop_locks_run_out: "a maildrop's lock runs out within its lease unless it is renewed",
        "SELECT format('account %s until %s', account_id, expires_at) FROM maildrop_lock
          WHERE expires_at > now() + interval '30 seconds'";
    acl_of_living: "an ACL is about a live mailbox, and gives something, to somebody else who exists in the same tenant",
        "SELECT format('account %s mailbox %s grantee %s: %s', x.account_id, x.mailbox_id, x.grantee_id, x.rights)
           FROM mailbox_acl x
           LEFT JOIN mailbox m ON m.account_id = x.account_id AND m.id = x.mailbox_id AND m.state = 0
           LEFT JOIN account o ON o.id = x.account_id AND o.state <> 2 AND o.tenant_id = x.tenant_id
           LEFT JOIN account u ON u.id = x.grantee_id AND u.state <> 2 AND u.tenant_id = x.tenant_id
          WHERE m.id IS NULL OR o.id IS NULL OR x.grantee_id IS NOT NULL AND u.id IS NULL
             OR x.grantee_id = x.account_id OR x.rights <= 0 OR x.rights >= 2048
         UNION ALL
         SELECT format('account %s mailbox %s: notes of %s', p.account_id, p.mailbox_id, p.user_id)
           FROM private_annotation p
           LEFT JOIN mailbox m ON m.account_id = p.account_id AND m.id = p.mailbox_id
          WHERE m.id IS NULL OR p.user_id = p.account_id OR NOT starts_with(p.entry, '/private')";
    partition_by_account: "every row lies in the partition that the application would name",
        "SELECT format('%s account %s', x.tableoid::regclass, x.account_id) FROM (
            SELECT DISTINCT tableoid, account_id FROM message
            UNION SELECT DISTINCT tableoid, account_id FROM mailbox_message
            UNION SELECT DISTINCT tableoid, account_id FROM search_signature) x
          WHERE NOT satisfies_hash_partition('message'::regclass, 32,
                    substring(x.tableoid::regclass::text FROM '_([0-9]+)$')::int, x.account_id)";
    signature_has_message: "a signature in the search index is of a message, and of a size that can be folded",
        "SELECT format('account %s message %s: %s octets', s.account_id, s.message_id, octet_length(s.signature))
           FROM search_signature s
           LEFT JOIN message g ON g.account_id = s.account_id AND g.id = s.message_id
          WHERE g.id IS NULL
             OR s.complete AND octet_length(s.signature) NOT IN (123, 246, 492, 984, 1968, 3936)";
    index_follows_log: "no account's log is indexed beyond its end",
        "SELECT format('account %s: %s, account at %s', i.account_id, i.modseq, s.modseq)
           FROM search_state i JOIN account_state s USING (account_id) WHERE i.modseq > s.modseq";
    nobody_is_idle_in_transaction: "no transaction is left open",
        "SELECT format('%s: %s', pid, query) FROM pg_stat_activity
          WHERE datname = current_database() AND state LIKE 'idle in transaction%'
            AND xact_start < now() - interval '5 seconds'";
}

/// Fails if an invariant does not hold. With `blobs`, every blob that is referred to is read and verified.
///
/// # Errors
/// Names every invariant that is broken, with examples.
pub async fn check(client: &Client, blobs: Option<&dyn BlobStore>) -> Result<()> {
    let mut broken = Vec::new();
    for invariant in INVARIANTS {
        let rows = client.query(invariant.sql, &[]).await.context(invariant.name)?;
        let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        broken.extend(complaint(invariant.name, invariant.holds, &found));
    }
    if let Some(blobs) = blobs {
        let found = unreadable(client, blobs).await?;
        broken.extend(complaint(
            "blob_is_stored",
            "every live blob's bytes are there and right",
            &found,
        ));
    }
    if broken.is_empty() {
        Ok(())
    } else {
        bail!("the database is inconsistent:\n{}", broken.join("\n"))
    }
}

fn complaint(name: &str, holds: &str, found: &[String]) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let examples = found.iter().take(EXAMPLES).map(|text| format!("\n    {text}"));
    let count = found.len();
    Some(format!("  {name} ({holds}): {count} times, as in{}", examples.collect::<String>()))
}

/// Reads every blob that somebody refers to.
async fn unreadable(client: &Client, blobs: &dyn BlobStore) -> Result<Vec<String>> {
    let sql = "SELECT b.object_key, b.\"offset\", b.length, b.size, b.blake3 FROM blob b WHERE b.state = 0
                AND (EXISTS (SELECT FROM message g WHERE g.blob_id = b.id)
                  OR EXISTS (SELECT FROM queue_message q WHERE q.blob_id = b.id))";
    let mut found = Vec::new();
    for row in client.query(sql, &[]).await? {
        let key: &str = row.get(0);
        let (offset, length): (i64, i64) = (row.get(1), row.get(2));
        let (size, blake3): (i64, &[u8]) = (row.get(3), row.get(4));
        let range = offset as u64..(offset + length) as u64;
        let read = async { blob::get_bytes(blobs, &ObjectKey::parse(key)?, range).await };
        match read.await {
            Err(error) => found.push(format!("{key}: {error}")),
            Ok(bytes)
                if bytes.len() as i64 != size || blake3::hash(&bytes).as_bytes() != blake3 =>
            {
                found.push(format!("{key}: other bytes than were stored"));
            }
            Ok(_) => {}
        }
    }
    Ok(found)
}
