//! The worker over a table in memory, with and without a coordinator.

use super::*;
use crate::model::{Fence, Picked, Row, State, Table};
use crate::{Fate, Reports, Standing};
use coordinator::{Coordinator, Local};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The queue's rows in memory; PostgreSQL can be away.
struct Memory {
    me: Incarnation,
    table: Mutex<Table>,
    away: AtomicBool,
    begun: std::time::Instant,
}

impl Memory {
    fn new(me: Incarnation) -> Arc<Self> {
        let (table, away) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { me, table, away, begun: std::time::Instant::now() })
    }

    fn now(&self) -> u64 {
        1_000_000 + self.begun.elapsed().as_millis() as u64
    }

    fn add(&self, domain: &str, count: i64) {
        let mut table = self.table.lock().unwrap();
        let first = table.rows.len() as i64;
        for id in first..first + count {
            table.rows.insert(id, Row::new(Destination::new(domain), 1, 0));
        }
    }

    /// Inserts rows as this node's own, and gives what is to be brought for them.
    fn bear(&self, domain: &str, count: usize) -> Vec<Claim<()>> {
        let mut table = self.table.lock().unwrap();
        let first = table.rows.last_key_value().map_or(0, |(id, _)| id + 1);
        let row = Row {
            state: State::Owned(self.me),
            attempt: 1,
            ..Row::new(Destination::new(domain), 1, self.now())
        };
        (first..first + count as i64)
            .map(|id| {
                table.rows.insert(id, row.clone());
                claim(&table, id)
            })
            .collect()
    }

    fn left(&self) -> usize {
        self.table.lock().unwrap().rows.len()
    }

    fn table(&self) -> Result<std::sync::MutexGuard<'_, Table>, Away> {
        if self.away.load(Ordering::SeqCst) { Err(Away) } else { Ok(self.table.lock().unwrap()) }
    }
}

#[async_trait]
impl Rows for Memory {
    type Row = ();
    type Note = ();

    async fn renew(&self) -> Result<(), Away> {
        self.table().map(drop)
    }
    async fn look(&self) -> Result<Vec<Sighting>, Away> {
        drop(self.table()?);
        Ok(vec![Sighting { owner: self.me, stamp: Some(self.now() as i64), expired: false }])
    }
    async fn take_over(&self, _: &[Sighting]) -> Result<Vec<Destination>, Away> {
        Ok(Vec::new())
    }
    async fn sweep(&self, _: Option<i64>) -> Result<(Vec<Due>, Option<i64>), Away> {
        let due = self.table()?.sweep(self.now());
        let due = due.into_iter().map(|(destination, overdue)| Due { destination, overdue });
        Ok((due.collect(), None))
    }
    async fn claim(
        &self,
        destination: &Destination,
        most: usize,
        after: i32,
    ) -> Result<Claims<()>, Away> {
        let mut table = self.table()?;
        let Picked { ids, after, more } =
            table.claim(self.now(), self.me, destination, most, after);
        Ok(Claims { claims: ids.into_iter().map(|id| claim(&table, id)).collect(), after, more })
    }
    async fn record(&self, records: &[Record<()>]) -> Result<(), Away> {
        let now = self.now();
        let mut table = self.table()?;
        for one in records {
            let fence = Fence { owner: self.me, attempt: one.attempt };
            table.record(now, one.recipient, fence, one.ruling);
        }
        Ok(())
    }
    async fn reconcile(&self, known: &[i64]) -> Result<Vec<Destination>, Away> {
        Ok(self.table()?.reconcile(self.now(), self.me, known, crate::ORPHAN_AGE))
    }
    async fn let_go(&self) -> Result<(), Away> {
        self.table()?.release(self.now(), &[self.me], false);
        Ok(())
    }
}

fn claim(table: &Table, recipient: i64) -> Claim<()> {
    let (row, left) = (&table.rows[&recipient], Duration::from_secs(86_400));
    let (age, reports) = (Duration::ZERO, Reports::default());
    let standing = Standing { attempts: row.attempts, age, left, reports };
    Claim { recipient, attempt: row.attempt, standing, row: () }
}

/// Delivers everything, as fast or as slowly as it is told.
#[derive(Default)]
struct Post {
    carried: AtomicUsize,
    each: Duration,
    breaks: AtomicBool,
    /// Holds on to everything until the worker goes, and gives it back then.
    holds: bool,
    fenced: AtomicUsize,
    dismissed: AtomicUsize,
}

#[async_trait]
impl Carrier<(), ()> for Post {
    async fn prepare(&self, _: RunId, _: &Destination) -> Prepared {
        Prepared::Ready
    }

    async fn carry(&self, _: RunId, claims: Vec<Claim<()>>, desk: Desk<(), ()>) {
        assert!(!self.breaks.swap(false, Ordering::SeqCst), "as the test wants it");
        if self.holds {
            self.carried.fetch_add(claims.len(), Ordering::SeqCst);
            desk.stopping().await;
            for claim in claims {
                desk.finished(claim.recipient, Fate::Untried, None, ());
            }
            return;
        }
        for claim in claims {
            if !desk.goes_on() {
                self.fenced.fetch_add(1, Ordering::SeqCst);
                return;
            }
            tokio::time::sleep(self.each).await;
            self.carried.fetch_add(1, Ordering::SeqCst);
            let fate = Fate::Delivered { reports_passed_on: false };
            desk.finished(claim.recipient, fate, None, ());
        }
    }

    fn dismiss(&self, _: RunId) {
        self.dismissed.fetch_add(1, Ordering::SeqCst);
    }
}

fn worker(
    rows: &Arc<Memory>,
    post: &Arc<Post>,
    work: Option<SharedWork>,
    bell: &Doorbell,
) -> Worker {
    receiving(rows, post, work, &Inlets { doorbell: bell.clone(), ..Inlets::default() })
}

fn receiving(
    rows: &Arc<Memory>,
    post: &Arc<Post>,
    work: Option<SharedWork>,
    inlets: &Inlets<()>,
) -> Worker {
    let config = EngineConfig { batch: 10, ..EngineConfig::default() };
    let (rows, post) = (Arc::clone(rows), Arc::clone(post));
    Worker::start(config, rows.me, rows, post, work, inlets.clone(), Arc::default())
}

/// A place, as soon as there are any.
async fn place(inlets: &Inlets<()>, domain: &str, count: usize) -> crate::Place<()> {
    for _ in 0..1_000 {
        if let Some(place) = inlets.reception.place(&Destination::new(domain), count) {
            return place;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no place");
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let waits = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect(what);
}

#[tokio::test]
async fn what_is_queued_is_carried_once() {
    for work in [Local::default().work(), None] {
        let (rows, post, bell) =
            (Memory::new(Incarnation::new()), Arc::default(), Doorbell::default());
        let worker = worker(&rows, &post, work, &bell);
        // Before its first bell it was found by the sweep.
        rows.add("a.test", 35);
        until("the sweep", || rows.left() == 0).await;
        rows.add("b.test", 5);
        let rung = std::time::Instant::now();
        bell.ring([Destination::new("b.test")]);
        until("the bell", || rows.left() == 0).await;
        assert!(rung.elapsed() < Duration::from_secs(1), "{:?}", rung.elapsed());
        assert_eq!(post.carried.load(Ordering::SeqCst), 40);
        assert!(worker.drain(Duration::ZERO, Duration::from_secs(5)).await);
        until("the ends", || post.dismissed.load(Ordering::SeqCst) >= 2).await;
    }
}

#[tokio::test]
async fn a_worker_that_goes_leaves_the_rest_to_others() {
    let rows = Memory::new(Incarnation::new());
    let post = Arc::new(Post { each: Duration::from_millis(50), ..Post::default() });
    let bell = Doorbell::default();
    let worker = worker(&rows, &post, Local::default().work(), &bell);
    rows.add("a.test", 100);
    until("it works", || post.carried.load(Ordering::SeqCst) >= 3).await;
    assert!(worker.drain(Duration::from_secs(5), Duration::from_secs(9)).await);
    let carried = post.carried.load(Ordering::SeqCst);
    assert_eq!(rows.left(), 100 - carried, "what was carried is recorded");
    let table = rows.table.lock().unwrap();
    assert!(table.rows.values().all(|row| row.state == State::Waiting && row.due <= rows.now()));
}

/// However quick a carrier is: what it gives back because the worker goes is due for the others at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_does_not_wait() {
    for _ in 0..8 {
        let rows = Memory::new(Incarnation::new());
        let post = Arc::new(Post { holds: true, ..Post::default() });
        let (names, bell) = ((0..40).map(|n| format!("d{n}.test")), Doorbell::default());
        names.clone().for_each(|name| rows.add(&name, 5));
        let worker = worker(&rows, &post, Local::default().work(), &bell);
        bell.ring(names.map(|name| Destination::new(&name)));
        until("all is claimed", || post.carried.load(Ordering::SeqCst) == 200).await;
        assert!(worker.drain(Duration::from_secs(5), Duration::from_secs(9)).await);
        let table = rows.table.lock().unwrap();
        let waits = table.rows.values().filter(|row| row.due > rows.now()).count();
        assert_eq!((table.rows.len(), waits), (200, 0));
    }
}

/// What is born as this node's own is carried without a bell, a token or a claim; and goes to the others when the node
/// goes, also what is committed only then.
#[tokio::test]
async fn newborn_mail_is_carried_at_once_or_is_everybodys() {
    for work in [Local::default().work(), None] {
        let rows = Memory::new(Incarnation::new());
        let post = Arc::new(Post { each: Duration::from_millis(50), ..Post::default() });
        let inlets = Inlets::default();
        let worker = receiving(&rows, &post, work, &inlets);
        place(&inlets, "a.test", 3).await.bring(rows.bear("a.test", 3));
        until("it is carried", || rows.left() == 0).await;
        let (first, late) = (place(&inlets, "a.test", 8).await, place(&inlets, "b.test", 1).await);
        first.bring(rows.bear("a.test", 8));
        until("the first", || post.carried.load(Ordering::SeqCst) >= 5).await;
        let (drain, ()) =
            tokio::join!(worker.drain(Duration::from_secs(5), Duration::from_secs(9)), async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                assert!(inlets.reception.place(&Destination::new("a.test"), 1).is_none());
                late.bring(rows.bear("b.test", 1));
            });
        assert!(drain);
        let (table, carried) = (rows.table.lock().unwrap(), post.carried.load(Ordering::SeqCst));
        assert_eq!(table.rows.len(), 12 - carried, "what was carried is recorded");
        let due = |row: &Row| row.state == State::Waiting && row.due <= rows.now();
        assert!(table.rows.values().all(due) && carried < 11);
    }
}

#[tokio::test]
async fn without_a_lease_nothing_is_begun() {
    let (rows, post) = (Memory::new(Incarnation::new()), Arc::<Post>::default());
    rows.away.store(true, Ordering::SeqCst);
    rows.add("a.test", 1);
    let worker = worker(&rows, &post, None, &Doorbell::default());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(post.carried.load(Ordering::SeqCst), 0);
    rows.away.store(false, Ordering::SeqCst);
    until("it is back", || rows.left() == 0).await;
    drop(worker);
}

#[tokio::test]
async fn a_carrier_that_breaks_costs_its_batch_a_moment() {
    let (rows, post, bell) =
        (Memory::new(Incarnation::new()), Arc::<Post>::default(), Doorbell::default());
    post.breaks.store(true, Ordering::SeqCst);
    let config = EngineConfig {
        retry: crate::RetryPolicy { untried: Duration::from_millis(100), ..Default::default() },
        ..EngineConfig::default()
    };
    let (all, carrier) = (Arc::clone(&rows), Arc::clone(&post));
    let inlets = Inlets { doorbell: bell.clone(), ..Inlets::default() };
    let worker = Worker::start(config, rows.me, all, carrier, None, inlets, Arc::default());
    rows.add("a.test", 3);
    until("it is tried again", || rows.left() == 0).await;
    drop(worker);
}

#[tokio::test]
async fn the_fence_closes_with_the_lease_and_in_a_hurry() {
    let (events, _inbox) = mpsc::unbounded_channel();
    let mut lease = Lease::default();
    lease.renewed(Mono::default(), Mono::default());
    let clock = Clock(Instant::now());
    let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    let lease = Arc::new(RwLock::new(lease));
    let desk: Desk<(), ()> = Desk {
        events,
        lease: Arc::clone(&lease),
        clock,
        term: 1,
        stop: stop.clone(),
        hurry: hurry.clone(),
    };
    assert!(desk.fence() && desk.goes_on());
    stop.cancel();
    assert!(desk.fence() && !desk.goes_on(), "what is on its way may end");
    hurry.cancel();
    assert!(!desk.fence());
    let old = Desk { term: 0, hurry: CancellationToken::new(), ..desk.clone() };
    assert!(!old.fence(), "begun under a lease that had run out in between");
}
