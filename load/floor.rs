//! What the parts cost without a mail server around them, in the same run: the floor under our figures.

use crate::cpu::{Cpu, Groups, own_cpu_ms};
use crate::mix::Mail;
use crate::report::{Percentiles, Row};
use crate::scenario::Plan;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::account::{Delivery, DeliverySet, NewBlob, Outcome};
use types::{AccountId, BlobId, Flags};

struct Stopwatch {
    servers: Groups,
    before: (Cpu, f64),
    begun: Instant,
}

impl Stopwatch {
    fn start(servers: Groups) -> Self {
        let before = (servers.cpu(), own_cpu_ms());
        Self { servers, before, begun: Instant::now() }
    }

    fn row(self, scenario: &str, server: &str, waits: Vec<Duration>) -> Row {
        let (operations, seconds) = (waits.len() as u64, self.begun.elapsed().as_secs_f64());
        let mut cpu_ms = self.servers.cpu().since(&self.before.0, operations);
        let mine = (own_cpu_ms() - self.before.1) / operations.max(1) as f64;
        cpu_ms.insert("client".into(), mine);
        Row {
            scenario: scenario.into(),
            server: server.into(),
            operations,
            seconds,
            latency_ms: Percentiles::of(waits),
            cpu_ms,
            ..Default::default()
        }
    }
}

/// One message, one file: written, fdatasynced, closed.
///
/// # Errors
/// When the folder cannot be written.
pub async fn file_loop(folder: &Path, plan: &Plan) -> Result<Row> {
    let mail = Arc::new(Mail::new(plan.mix, plan.seed));
    let next = Arc::new(AtomicU64::new(0));
    let watch = Stopwatch::start(Groups::default());
    let mut threads = Vec::new();
    for _ in 0..plan.connections {
        let (mail, next, count) = (Arc::clone(&mail), Arc::clone(&next), plan.count);
        let folder = folder.to_owned();
        threads.push(tokio::task::spawn_blocking(move || -> Result<(Vec<Duration>, u64)> {
            let (mut waits, mut octets) = (Vec::new(), 0);
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return Ok((waits, octets));
                }
                let message = mail.message(nth, "nobody@load.example");
                let begun = Instant::now();
                let mut file = File::create_new(folder.join(nth.to_string()))?;
                file.write_all(&message.header)?;
                file.write_all(&message.body)?;
                file.sync_data()?;
                drop(file);
                waits.push(begun.elapsed());
                octets += message.len() as u64;
            }
        }));
    }
    let (mut waits, mut octets) = (Vec::new(), 0);
    for thread in threads {
        let (mut these, more) = thread.await??;
        waits.append(&mut these);
        octets += more;
    }
    let mut row = watch.row(&format!("bare file {}", plan.mix.name()), "fdatasync", waits);
    let there: u64 =
        std::fs::read_dir(folder)?.flatten().map(|e| e.metadata().map_or(0, |m| m.len())).sum();
    ensure!(there == octets, "{there} octets in files instead of {octets}");
    row.more.insert("KiB".into(), octets as f64 / plan.count as f64 / 1024.0);
    row.proof = "the files have as many octets as were written".into();
    Ok(row)
}

/// One message, one object, with the same library the nodes use.
///
/// # Errors
/// When the bucket cannot be written.
pub async fn put_loop(config: &blob::S3Config, servers: Groups, plan: &Plan) -> Result<Row> {
    use blob::BlobStore;
    let mail = Arc::new(Mail::new(plan.mix, plan.seed));
    let s3 = blob::S3::connect(config).await;
    let next = Arc::new(AtomicU64::new(0));
    let watch = Stopwatch::start(servers);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        let (mail, next, s3, count) =
            (Arc::clone(&mail), Arc::clone(&next), s3.clone(), plan.count);
        tasks.spawn(async move {
            let (mut waits, mut last) = (Vec::new(), None);
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return anyhow::Ok((waits, last));
                }
                let message = mail.message(nth, "nobody@load.example");
                let key = blob::ObjectKey::new(20_261_123);
                let begun = Instant::now();
                s3.put(&key, vec![message.header.clone(), message.body.clone()]).await?;
                waits.push(begun.elapsed());
                last = Some((key, message));
            }
        });
    }
    let (mut waits, mut kept) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (mut these, last) = done??;
        waits.append(&mut these);
        kept.extend(last);
    }
    let mut row = watch.row(&format!("bare PUT {}", plan.mix.name()), "aws-sdk-s3", waits);
    for (key, message) in &kept {
        let stored = blob::get_bytes(&s3, key, 0..message.len() as u64).await?;
        ensure!(message.is_kept_in(&stored), "an object differs");
    }
    row.proof = format!("{} objects fetched and compared", kept.len());
    Ok(row)
}

/// The delivery transaction alone: as the nodes do it, with made-up structures of usual size. `alone` puts
/// one at a time, otherwise deliveries gather in batches as they do under load.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn delivery_loop(
    store: &store::Store,
    accounts: &[AccountId],
    servers: Groups,
    plan: &Plan,
) -> Result<Row> {
    let next = Arc::new(AtomicU64::new(0));
    let watch = Stopwatch::start(servers);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        let (next, store, count) = (Arc::clone(&next), store.clone(), plan.count);
        let accounts = accounts.to_vec();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return anyhow::Ok(waits);
                }
                let account = accounts[(nth * 7 % accounts.len() as u64) as usize];
                let begun = Instant::now();
                let done = store::account::deliver(&store, delivery(account, nth)).await?;
                waits.push(begun.elapsed());
                ensure!(matches!(done[..], [Outcome::Delivered(_)]), "{done:?}");
            }
        });
    }
    let mut waits = Vec::new();
    while let Some(done) = tasks.join_next().await {
        waits.append(&mut done.context("task")??);
    }
    let name = format!("bare delivery, {} at once", plan.connections);
    let mut row = watch.row(&name, "PostgreSQL", waits);
    row.proof = "every outcome was a place in a mailbox".into();
    Ok(row)
}

fn delivery(account: AccountId, nth: u64) -> DeliverySet {
    let id = BlobId::new();
    let hash = blake3::hash(&nth.to_le_bytes());
    // Structures do not compress well: they are mostly header fields.
    let mut structure = vec![0; 650];
    blake3::Hasher::new().update(hash.as_bytes()).finalize_xof().fill(&mut structure);
    DeliverySet {
        blob: NewBlob {
            id,
            object_key: format!("{:02x}/20261123/{}", hash.as_bytes()[0], id.0.simple()),
            size: 5_000 + nth % 3_000,
            blake3: *hash.as_bytes(),
            structure,
            preview: "The first words of a letter about the harvest of the year and more "
                .repeat(2),
            received_at: std::time::SystemTime::now().into(),
            references: vec![i64::from_le_bytes(
                hash.as_bytes()[..8].try_into().unwrap_or_default(),
            )],
        },
        newborn: true,
        outbound: store::account::Outbound::default(),
        envelope: None,
        deliveries: vec![Delivery {
            account,
            mailbox: None,
            strict: false,
            flags: Flags(0),
            keywords: Vec::new(),
            recipient: "nobody@load.example".into(),
            queued: None,
            deferred: false,
        }],
    }
}
