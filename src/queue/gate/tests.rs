use super::*;
use async_trait::async_trait;
use coordinator::CoordinatorError;
use coordinator::limits::Limits;
use std::sync::atomic::{AtomicBool, Ordering};

/// The rules over memory, and a switch.
#[derive(Default)]
struct Shared {
    permits: Mutex<Permits>,
    away: AtomicBool,
    /// Does not answer what was told.
    silent: AtomicBool,
    /// Does not hear what is told.
    deaf: AtomicBool,
    freed: tokio::sync::Notify,
}

const NOW: u64 = 2_000_000_000;

impl Shared {
    fn permits(&self) -> Result<MutexGuard<'_, Permits>, CoordinatorError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(CoordinatorError::Unavailable("test".into()));
        }
        Ok(self.permits.lock().unwrap())
    }
}

#[async_trait]
impl Limits for Shared {
    async fn acquire(
        &self,
        _: Incarnation,
        limits: &[Limit],
    ) -> Result<Acquired, CoordinatorError> {
        Ok(self.permits()?.acquire(NOW, rand::random(), limits, Duration::from_secs(15)))
    }
    async fn freed(&self, _: &str) {
        self.freed.notified().await;
    }
    async fn renew(&self, _: Incarnation, all: &[Permit]) -> Result<Vec<u128>, CoordinatorError> {
        Ok(self.permits()?.renew(NOW, all, Duration::from_secs(15)))
    }
    async fn release(&self, permit: &Permit) -> Result<(), CoordinatorError> {
        self.permits()?.release(permit);
        self.freed.notify_waiters();
        Ok(())
    }
    async fn allow(&self, rate: &Rate, wanted: u32) -> Result<Allowed, CoordinatorError> {
        Ok(self.permits()?.allow(NOW, rate, wanted))
    }
    async fn told(&self, site: &str) -> Result<Told, CoordinatorError> {
        if self.silent.load(Ordering::SeqCst) {
            return Err(CoordinatorError::Unavailable("test".into()));
        }
        Ok(self.permits()?.told(NOW, site))
    }
    async fn tell(
        &self,
        site: &str,
        seen: u64,
        value: u64,
        keep: Duration,
    ) -> Result<bool, CoordinatorError> {
        if self.deaf.load(Ordering::SeqCst) {
            return Err(CoordinatorError::Unavailable("test".into()));
        }
        Ok(self.permits()?.tell(NOW, site, seen, value, keep))
    }
}

fn gate(limits: Option<SharedLimits>, me: Incarnation, living: &[Incarnation]) -> Gate {
    let seen = Seen { living: living.to_vec(), runs: 0 };
    Gate::new(me, limits, Arc::new(RwLock::new(seen)))
}

fn is_open(entry: &Entry) -> bool {
    matches!(entry, Entry::Open(_))
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_for_all_gates_and_a_pass_given_back_wakes() {
    let shared: SharedLimits = Arc::new(Shared::default());
    let gates: Vec<Gate> =
        (0..2).map(|_| gate(Some(Arc::clone(&shared)), Incarnation::new(), &[])).collect();
    let (first, second) = (gates[0].enter("s", 2).await, gates[1].enter("s", 2).await);
    assert!(is_open(&first) && is_open(&second));
    assert!(!is_open(&gates[0].enter("s", 2).await));
    assert!(is_open(&gates[0].enter("t", 2).await));
    let waits = tokio::spawn({
        let gate = gates[1].clone();
        async move { gate.enter("s", 2).await }
    });
    tokio::task::yield_now().await;
    drop(first);
    assert!(is_open(&waits.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn without_a_coordinator_each_keeps_to_its_share() {
    let nodes: Vec<Incarnation> = (0..3).map(|_| Incarnation::new()).collect();
    let shared = Arc::new(Shared::default());
    shared.away.store(true, Ordering::SeqCst);
    let mut open = Vec::new();
    for node in &nodes {
        let gate = gate(Some(shared.clone() as SharedLimits), *node, &nodes);
        for _ in 0..5 {
            if let Entry::Open(pass) = gate.enter("s", 4).await {
                open.push(pass);
            }
        }
    }
    assert_eq!(open.len(), 4);
    let rate = Rate { key: "r".into(), most: 6, per: Duration::from_secs(60) };
    let mut sum = 0;
    for node in &nodes {
        if let Allowed::Now(n) = gate(None, *node, &nodes).allow(&rate, 100).await {
            sum += n;
        }
    }
    assert_eq!(sum, 6);
}

#[tokio::test(start_paused = true)]
async fn what_was_passed_alone_is_known_when_the_coordinator_is_back() {
    let shared = Arc::new(Shared::default());
    shared.away.store(true, Ordering::SeqCst);
    let me = Incarnation::new();
    let gate = gate(Some(shared.clone() as SharedLimits), me, &[me]);
    let Entry::Open(_pass) = gate.enter("s", 1).await else { panic!() };
    shared.away.store(false, Ordering::SeqCst);
    tokio::time::sleep(TOKEN_BEAT * 2).await;
    assert_eq!(shared.permits().unwrap().held(NOW, "site:s"), 1);
    assert!(!gate.is_surplus("s"));
    // Somebody else had got it meanwhile.
    *shared.permits().unwrap() = Permits::default();
    let limit = [Limit { key: "site:s".into(), most: 1 }];
    shared.permits().unwrap().acquire(NOW, 7, &limit, Duration::from_secs(15));
    tokio::time::sleep(TOKEN_BEAT * 2).await;
    assert!(gate.is_surplus("s") && !gate.is_surplus("s"));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_down_is_closed_for_all() {
    for shared in [Some(Arc::new(Shared::default()) as SharedLimits), None] {
        let me = Incarnation::new();
        let (one, two) = (gate(shared.clone(), me, &[me]), gate(shared.clone(), me, &[me]));
        one.tell("s", Signal::Fine).await;
        assert!(is_open(&one.enter("s", 5).await));
        one.tell("s", Signal::Down).await;
        assert!(!is_open(&one.enter("s", 5).await));
        assert!(one.closed("s").await.is_some());
        assert_eq!(is_open(&two.enter("s", 5).await), shared.is_none());
        one.tell("s", Signal::Fine).await;
        assert!(is_open(&one.enter("s", 5).await));
    }
}

/// A coordinator that goes or comes between a question and what is told because of the answer: the times of one
/// clock, read by another, would close a site for years.
#[tokio::test(start_paused = true)]
async fn what_is_told_stays_by_the_clock_it_was_heard_by() {
    let shared = Arc::new(Shared::default());
    let me = Incarnation::new();
    let gate = gate(Some(shared.clone() as SharedLimits), me, &[me]);
    shared.silent.store(true, Ordering::SeqCst);
    gate.tell("s", Signal::Down).await;
    assert_eq!(shared.permits().unwrap().told(NOW, "s").version, 0);
    let soon = Duration::from_secs(60);
    assert!(gate.closed("s").await.unwrap() < soon);
    shared.silent.store(false, Ordering::SeqCst);
    tokio::time::sleep(hearing::ASK_EVERY).await;
    assert_eq!(gate.closed("s").await, None, "the coordinator knows nothing of it");

    gate.tell("t", Signal::Fine).await;
    shared.deaf.store(true, Ordering::SeqCst);
    gate.tell("t", Signal::Down).await;
    shared.away.store(true, Ordering::SeqCst);
    assert!(gate.closed("t").await.unwrap() < soon);
    shared.away.store(false, Ordering::SeqCst);
    tokio::time::sleep(hearing::ASK_EVERY).await;
    assert_eq!(gate.closed("t").await, None, "it heard of no trouble");
}
