//! Random histories, told to the tables and to `queue::model::Table`. A failure prints its seed.
//!
//! Time passes by moving the rows' times back. What is due is due by whole thousands of seconds, and one step lies a
//! millisecond behind the other, so both clocks order everything alike.

use super::{node, outgoing};
use crate::bench::Bench;
use anyhow::{Context, Result, ensure};
use queue::model::{Fence, Picked, Recorded as Wanted, Row, State, Table};
use queue::{Again, Ruling};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;
use store::account::accept;
use store::queue::{
    Claims, Note, RecordRow, Recorded, Written, queue_claim, queue_look, queue_reconcile,
    queue_record, queue_release, queue_sweep, queue_take_over,
};
use tokio_postgres::Client;
use types::{Destination, Incarnation, TenantId};

const SEEDS: u64 = 12;
const STEPS: usize = 120;
const UNIT: u64 = 1_000_000;

pub async fn compare(bench: &Bench) -> Result<()> {
    for seed in 0..SEEDS {
        let mut history = History::new(bench, seed).await?;
        for step in 0..STEPS {
            let deed = history.step().await.with_context(|| format!("seed {seed}, step {step}"))?;
            let same = history.compare().await;
            same.with_context(|| format!("seed {seed}, step {step}: {deed}"))?;
        }
        let wipe = "DELETE FROM queue_recipient; DELETE FROM node_lease;
                    WITH m AS (DELETE FROM queue_message RETURNING blob_id)
                    INSERT INTO blob_delta (blob_id, delta) SELECT blob_id, -1 FROM m";
        history.client.batch_execute(wipe).await?;
    }
    Ok(())
}

struct History<'a> {
    bench: &'a Bench,
    client: Client,
    rng: SmallRng,
    table: Table,
    now: u64,
    nodes: Vec<Incarnation>,
    /// Claims so far, whoever has them now.
    fences: Vec<(i64, Fence)>,
    /// Where each node goes on among the tenants.
    after: i32,
}

impl<'a> History<'a> {
    async fn new(bench: &'a Bench, seed: u64) -> Result<Self> {
        let client = bench.database.client().await?;
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(node(&bench.store).await?);
        }
        let rng = SmallRng::seed_from_u64(seed);
        let (table, fences) = (Table::default(), Vec::new());
        Ok(Self { bench, client, rng, table, now: UNIT, nodes, fences, after: 0 })
    }

    async fn step(&mut self) -> Result<String> {
        self.now += 1;
        match self.rng.random_range(0..100) {
            0..20 => self.queue().await,
            20..45 => self.claim().await,
            45..70 => self.record().await,
            70..74 => self.pass().await,
            74..82 => self.take_over().await,
            82..87 => self.reconcile().await,
            87..90 => self.release().await,
            90..94 => self.hold().await,
            _ => self.sweep().await,
        }
    }

    fn destination(&mut self) -> Destination {
        Destination::new(&format!("d{}.test", self.rng.random_range(0..3)))
    }

    fn node(&mut self) -> Incarnation {
        self.nodes[self.rng.random_range(0..self.nodes.len())]
    }

    async fn queue(&mut self) -> Result<String> {
        let count = self.rng.random_range(1..12);
        let addresses: Vec<String> =
            (0..count).map(|n| format!("u{n}@{}", self.destination())).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let mut set = outgoing(self.bench, &[], &addresses);
        let tenant = self.rng.random_range(1..24);
        let envelope = set.envelope.as_mut().context("an envelope")?;
        envelope.tenant = TenantId(tenant);
        let queue = envelope.queue.0;
        for recipient in &mut set.outbound.recipients {
            recipient.tenant = TenantId(tenant);
            recipient.priority = self.rng.random_range(-1..2);
            recipient.wait =
                Duration::from_secs(*[0, 0, 1000, 2000].choose(&mut self.rng).unwrap_or(&0));
            recipient.mine = self.rng.random_bool(0.2);
        }
        let owner = self.node();
        set.outbound.owner = Some(owner);
        let recipients = set.outbound.recipients.clone();
        let born = accept(&self.bench.store, set).await?.born;
        let mut born = born.into_iter().map(|(_, claimed)| claimed.id);
        let ids = "SELECT id FROM queue_recipient WHERE queue_id = $1 ORDER BY id";
        for (row, recipient) in self.client.query(ids, &[&queue]).await?.iter().zip(recipients) {
            let due = self.now + recipient.wait.as_millis() as u64;
            let mut new = Row::new(recipient.destination, tenant, due);
            new.priority = recipient.priority;
            if recipient.mine && recipient.wait.is_zero() {
                (new.state, new.attempt) = (State::Owned(owner), 1);
                self.fences.push((row.get(0), Fence { owner, attempt: 1 }));
                ensure!(born.next() == Some(row.get(0)), "born as its node's own");
            }
            self.table.rows.insert(row.get(0), new);
        }
        ensure!(born.next().is_none(), "nobody else is");
        Ok(format!("queued {count}"))
    }

    async fn claim(&mut self) -> Result<String> {
        let (owner, destination) = (self.node(), self.destination());
        let most = self.rng.random_range(1..30);
        let wanted = self.table.claim(self.now, owner, &destination, most as usize, self.after);
        let store = &self.bench.store;
        let Claims { rows: claimed, after, more } =
            queue_claim(store, owner, &destination, most, self.after).await?;
        let ids: Vec<i64> = claimed.iter().map(|one| one.id).collect();
        let picked = Picked { ids, after, more };
        ensure!(picked == wanted, "{picked:?}, wanted {wanted:?}, {most} after {}", self.after);
        let ids = picked.ids;
        self.after = after;
        for one in &claimed {
            self.fences.push((one.id, Fence { owner, attempt: one.attempt }));
        }
        Ok(format!("claimed {ids:?}"))
    }

    fn ruling(&mut self) -> (Ruling, Written) {
        let (report, used, expired) = (self.rng.random(), self.rng.random(), self.rng.random());
        let wait = Duration::from_secs(*[0, 1000, 2000].choose(&mut self.rng).unwrap_or(&0));
        match self.rng.random_range(0..4) {
            0 => (Ruling::Delivered { report }, Written::Delivered { report }),
            1 => (Ruling::Failed { report, expired }, Written::Failed { report, expired }),
            _ => (Ruling::Again(Again { wait, used }), Written::Again { wait, used }),
        }
    }

    async fn record(&mut self) -> Result<String> {
        // Also of those who are gone: whoever was paused comes back and writes.
        let Some((_, Fence { owner, .. })) = self.fences.choose(&mut self.rng).copied() else {
            return Ok("nothing to record".into());
        };
        let mine = self.fences.iter().filter(|(_, fence)| fence.owner == owner);
        let mut mine: Vec<_> = mine.copied().collect();
        while mine.len() > 6 {
            mine.remove(self.rng.random_range(0..mine.len()));
        }
        let (mut rows, mut wanted) = (Vec::new(), Vec::new());
        for (id, mut fence) in mine {
            if self.rng.random_bool(0.1) {
                fence.attempt += 1;
            }
            let (ruling, written) = self.ruling();
            wanted.push(match self.table.record(self.now, id, fence, ruling) {
                Wanted::Done => Recorded::Done,
                Wanted::Late => Recorded::Late,
                Wanted::Gone => Recorded::Gone,
            });
            let note = self.rng.random_bool(0.7).then(|| Note {
                queue: types::QueueId::new(),
                recipient: "somebody".into(),
                text: String::new(),
                detail: serde_json::json!({}),
            });
            rows.push(RecordRow { id, attempt: fence.attempt, written, note });
        }
        let recorded = queue_record(&self.bench.store, owner, &rows).await?;
        ensure!(recorded == wanted, "{rows:?} gave {recorded:?}, wanted {wanted:?}");
        Ok(format!("recorded {rows:?}: {recorded:?}"))
    }

    async fn pass(&mut self) -> Result<String> {
        self.now += UNIT;
        let shift = "UPDATE queue_recipient SET due = due - interval '1000 s'";
        self.client.batch_execute(shift).await?;
        Ok("time passed".into())
    }

    async fn take_over(&mut self) -> Result<String> {
        let rows = |node: &Incarnation| {
            self.table.rows.values().filter(|row| row.state == State::Owned(*node)).count()
        };
        let fullest = (0..self.nodes.len()).max_by_key(|at| rows(&self.nodes[*at])).unwrap_or(0);
        let gone = self.nodes[fullest];
        let deed = match self.rng.random() {
            true => {
                "UPDATE node_lease SET expires_at = now() - interval '1 s' WHERE incarnation = $1"
            }
            false => "DELETE FROM node_lease WHERE incarnation = $1",
        };
        self.client.execute(deed, &[&gone.0]).await?;
        let store = &self.bench.store;
        let seen = queue_look(store).await?;
        let owns = self.table.rows.values().any(|row| row.state == State::Owned(gone));
        let living = seen.iter().filter(|one| !one.expired).count();
        ensure!(living == self.nodes.len() - 1, "{seen:?}");
        let seen: Vec<_> = seen.into_iter().filter(|one| one.expired).collect();
        ensure!(seen.iter().any(|one| one.owner == gone) == owns, "{seen:?}");
        self.nodes[fullest] = node(store).await?;
        let freed = queue_take_over(store, self.nodes[fullest], &seen).await?;
        let wanted = self.table.release(self.now, &[gone], true);
        ensure!(freed == wanted, "freed {freed:?}, wanted {wanted:?}");
        Ok(format!("took over {freed:?}"))
    }

    async fn reconcile(&mut self) -> Result<String> {
        let owner = self.node();
        let known: Vec<i64> =
            self.table.rows.keys().copied().filter(|_| self.rng.random()).collect();
        let age = Duration::from_secs(if self.rng.random() { 500 } else { 0 });
        let wanted = self.table.reconcile(self.now, owner, &known, age);
        let freed = queue_reconcile(&self.bench.store, owner, &known, age).await?;
        ensure!(freed == wanted, "freed {freed:?}, wanted {wanted:?}");
        Ok(format!("reconciled {freed:?}"))
    }

    async fn release(&mut self) -> Result<String> {
        let owner = self.node();
        let wanted = self.table.release(self.now, &[owner], false);
        let freed = queue_release(&self.bench.store, owner).await?;
        ensure!(freed == wanted, "freed {freed:?}, wanted {wanted:?}");
        Ok(format!("released {freed:?}"))
    }

    async fn hold(&mut self) -> Result<String> {
        let ids: Vec<i64> = self.table.rows.keys().copied().collect();
        let Some(id) = ids.choose(&mut self.rng) else { return Ok("nothing to hold".into()) };
        let hold = "UPDATE queue_recipient SET hold = NOT hold WHERE id = $1";
        self.client.execute(hold, &[id]).await?;
        if let Some(row) = self.table.rows.get_mut(id) {
            row.hold = !row.hold;
        }
        Ok(format!("hold {id}"))
    }

    async fn sweep(&mut self) -> Result<String> {
        let wanted: BTreeMap<Destination, u64> = self
            .table
            .sweep(self.now)
            .into_iter()
            .map(|(destination, overdue)| (destination, overdue.as_secs() / 500))
            .collect();
        let (due, next) = queue_sweep(&self.bench.store, None, 1_000).await?;
        let due: BTreeMap<Destination, u64> =
            due.into_iter().map(|one| (one.destination, one.overdue.as_secs() / 500)).collect();
        ensure!(due == wanted && next.is_none(), "swept {due:?}, wanted {wanted:?}");
        Ok(format!("swept {due:?}"))
    }

    async fn compare(&self) -> Result<()> {
        let sql = "SELECT id, destination, tenant_id, rank, state, owner, attempt, attempts, takeovers, hold,
                          extract(epoch FROM due - now())::float8 FROM queue_recipient ORDER BY id";
        let rows = self.client.query(sql, &[]).await?;
        let mut found: BTreeMap<i64, (Row, f64)> = BTreeMap::new();
        for row in &rows {
            let mut one = Row::new(Destination::new(row.get(1)), row.get(2), 0);
            let owner: Option<uuid::Uuid> = row.get(5);
            one.priority = -row.get::<_, i16>(3);
            one.state = match (row.get::<_, i16>(4), owner) {
                (0 | 1, None) => State::Waiting,
                (2, Some(owner)) => State::Owned(Incarnation(owner)),
                (3, None) => State::Settled,
                other => anyhow::bail!("{other:?}"),
            };
            one.attempt = row.get::<_, i32>(6) as u32;
            one.attempts = row.get::<_, i32>(7) as u32;
            one.takeovers = row.get::<_, i32>(8) as u32;
            one.hold = row.get(9);
            found.insert(row.get(0), (one, row.get(10)));
        }
        ensure!(found.len() == self.table.rows.len(), "{} rows", found.len());
        for (id, row) in &self.table.rows {
            let (there, wait) = found.get(id).with_context(|| format!("{id} is missing"))?;
            let mut wanted = row.clone();
            let due = std::mem::take(&mut wanted.due);
            // A delivery of somebody else's row, or a failure, uses up an attempt here; there nobody counts.
            if row.state == State::Settled {
                wanted.attempts = there.attempts;
            }
            ensure!(*there == wanted, "{id} is {there:?}, wanted {wanted:?}");
            let off = wait - (due as f64 - self.now as f64) / 1000.0;
            ensure!(row.state == State::Settled || off.abs() < 100.0, "{id} is {off} s off");
        }
        Ok(())
    }
}
