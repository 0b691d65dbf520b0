//! What a million recipients cost that are not due: nothing, if all is well.
//!
//! A cluster does nothing for a minute, then carries mail; then recipients are put into its queue whose time is
//! hours away, some of them at the very destinations of that mail, and it does the same again. Proved by the rows:
//! all of them are afterwards as they were put there.

use crate::report::Row;
use crate::scenario::Plan;
use crate::stage::{Stage, StageOptions};
use crate::submission::Outside;
use crate::target::Meter;
use anyhow::{Result, ensure};
use blob::ObjectKey;
use std::time::Duration;
use types::{BlobId, Destination};

/// How long the cluster does nothing.
const IDLE: Duration = Duration::from_secs(60);
/// Destinations of those who wait, among them those of the mail that is sent meanwhile.
const DESTINATIONS: u64 = 2_000;
const DAY: u32 = 20_261_124;

/// Four rows: doing nothing and carrying mail, without and with `waiting` recipients.
///
/// # Errors
/// When the cluster does not come up, loses or doubles a message, or touches who waits.
pub async fn waiting(options: &StageOptions, plan: &Plan, waiting: u64) -> Result<Vec<Row>> {
    let outside = Outside::up().await?;
    let stage = outside.stage(options).await?;
    let mut rows = vec![
        idle(&stage, "nobody waits").await?,
        named(outside.submit(&stage, plan).await?, "nobody waits"),
    ];
    stage.check().await?;
    fill(&stage, waiting).await?;
    let who = format!("{waiting} wait");
    rows.push(idle(&stage, &who).await?);
    let again = Plan { seed: plan.seed + 1, ..plan.clone() };
    rows.push(named(outside.submit(&stage, &again).await?, &who));
    let proof = untouched(&stage, waiting).await?;
    for row in &mut rows[2..] {
        row.proof = [&row.proof, &*proof].join("; ").trim_start_matches("; ").to_owned();
    }
    Ok(rows)
}

fn named(row: Row, who: &str) -> Row {
    Row { scenario: format!("{}, {who}", row.scenario), ..row }
}

/// Nothing, for a while.
async fn idle(stage: &Stage, who: &str) -> Result<Row> {
    let meter = Meter::start(&stage.target).await?;
    tokio::time::sleep(IDLE).await;
    meter.finish(format!("an idle minute, {who}"), 1, Vec::new()).await
}

/// Messages of one recipient each; they share one stored message, as copies would.
async fn fill(stage: &Stage, waiting: u64) -> Result<()> {
    let client = stage.cluster.database.client().await?;
    let (blob, key, text) = (BlobId::new(), ObjectKey::new(DAY), "Subject: later\r\n\r\nlater\r\n");
    stage.blob_store().await?.put(&key, vec![text.into()]).await?;
    let (size, count) = (text.len() as i64, waiting as i64);
    let hash = blake3::hash(text.as_bytes()).as_bytes().to_vec();
    let domains: Vec<String> = (0..DESTINATIONS).map(|nth| format!("d{nth}.out")).collect();
    let keys: Vec<i64> = domains.iter().map(|domain| Destination::new(domain).key()).collect();
    let blobs = "INSERT INTO blob (id, object_key, length, size, blake3, refs) VALUES ($1, $2, $3, $3, $4, $5)";
    let refs = i32::try_from(waiting)?;
    client.execute(blobs, &[&blob.0, &key.as_str(), &size, &hash, &refs]).await?;
    let messages = "INSERT INTO queue_message (id, tenant_id, blob_id, reverse_path, size, received_at)
        SELECT gen_random_uuid(), 1, $1, 'user0@example.test', $2, now() FROM generate_series(1, $3::int8)";
    client.execute(messages, &[&blob.0, &size, &count]).await?;
    let recipients = "INSERT INTO queue_recipient (queue_id, tenant_id, recipient, due, state, destination,
                                                  destination_key, attempt, attempts, expires_at)
        SELECT m.id, 1, 'later' || m.nth || '@' || ($2::text[])[m.at], now() + interval '3 hours' * (1 + random()), 0,
               ($2::text[])[m.at], ($3::int8[])[m.at], 1, 1, now() + interval '5 days'
          FROM (SELECT id, nth, 1 + nth % cardinality($2::text[]) AS at
                  FROM (SELECT id, row_number() OVER () AS nth FROM queue_message WHERE blob_id = $1) x) m";
    client.execute(recipients, &[&blob.0, &domains, &keys]).await?;
    // What autovacuum would do in a while.
    client.batch_execute("VACUUM ANALYZE queue_message").await?;
    client.batch_execute("VACUUM ANALYZE queue_recipient").await?;
    Ok(())
}

async fn untouched(stage: &Stage, waiting: u64) -> Result<String> {
    let sql = "SELECT count(*) FROM queue_recipient WHERE state = 0 AND attempt = 1 AND recipient LIKE 'later%'";
    let left: i64 = stage.cluster.database.client().await?.query_one(sql, &[]).await?.get(0);
    ensure!(left as u64 == waiting, "{left} of {waiting} still wait");
    Ok(format!("{waiting} recipients wait as before"))
}
