use super::*;
use async_trait::async_trait;
use coordinator::{Coordinator, CoordinatorError, NodeInfo};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const ANNA: AccountId = AccountId(7);
const BERT: AccountId = AccountId(8);

/// What a hint meets on its way.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    Honest,
    /// Nothing ever arrives.
    Loses,
    /// Everything arrives twice, and the one before it once more.
    Doubles,
    /// Arrives a second later.
    Delays,
}

/// A coordinator between nodes of this process that may lie.
struct Liar {
    lie: Lie,
    inbox: Arc<Inbox>,
    watched: Mutex<HashSet<AccountId>>,
    calls: Mutex<Vec<(AccountId, bool)>>,
}

impl Liar {
    fn new(lie: Lie) -> Arc<Self> {
        Arc::new(Self {
            lie,
            inbox: Arc::default(),
            watched: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    fn deliver(&self, hint: Hint) {
        if self.watched.lock().unwrap().contains(&hint.account) {
            self.inbox.hint(hint);
        }
    }
}

#[async_trait]
impl Coordinator for Liar {
    fn publish(&self, hint: Hint) {
        match self.lie {
            Lie::Loses => {}
            Lie::Honest => self.deliver(hint),
            Lie::Doubles => {
                self.deliver(hint);
                self.deliver(hint);
                self.deliver(Hint { modseq: ModSeq(hint.modseq.0.saturating_sub(1)), ..hint });
            }
            Lie::Delays => {
                let inbox = Arc::clone(&self.inbox);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    inbox.hint(hint);
                });
            }
        }
    }
    fn watch(&self, account: AccountId) {
        self.watched.lock().unwrap().insert(account);
        self.calls.lock().unwrap().push((account, true));
    }
    fn unwatch(&self, account: AccountId) {
        self.watched.lock().unwrap().remove(&account);
        self.calls.lock().unwrap().push((account, false));
    }
    fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }
    async fn announce(&self, _: &NodeInfo) -> Result<(), CoordinatorError> {
        Ok(())
    }
    async fn withdraw(&self, _: &str) -> Result<(), CoordinatorError> {
        Ok(())
    }
    async fn nodes(&self) -> Result<Vec<NodeInfo>, CoordinatorError> {
        Ok(Vec::new())
    }
    async fn ping(&self) -> Result<(), CoordinatorError> {
        Ok(())
    }
}

/// PostgreSQL as far as the hub knows it.
#[derive(Clone, Default)]
struct Database {
    rows: Arc<Mutex<HashMap<AccountId, ModSeq>>>,
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Database {
    fn commit(&self, account: AccountId, modseq: u64) {
        self.rows.lock().unwrap().insert(account, ModSeq(modseq));
    }
}

impl Truth for Database {
    async fn modseqs(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, ModSeq)>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("away".into()));
        }
        let rows = self.rows.lock().unwrap();
        Ok(accounts.iter().filter_map(|id| Some((*id, *rows.get(id)?))).collect())
    }
}

fn node(lie: Lie) -> (Arc<Hub>, Arc<Liar>, Database) {
    let (liar, database) = (Liar::new(lie), Database::default());
    for account in [ANNA, BERT] {
        database.commit(account, 0);
    }
    let shared: SharedCoordinator = Arc::clone(&liar) as _;
    (Hub::start_with(database.clone(), shared, HubConfig::default()), liar, database)
}

async fn wakes_within(watch: &mut Watch, seconds: f64) -> bool {
    tokio::time::timeout(Duration::from_secs_f64(seconds), watch.changed()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn own_changes_wake_at_once_and_only_their_account() {
    for lie in [Lie::Honest, Lie::Loses, Lie::Doubles, Lie::Delays] {
        let (hub, _liar, database) = node(lie);
        let (mut anna, mut bert) = (hub.watch(ANNA), hub.watch(BERT));
        database.commit(ANNA, 3);
        hub.changed(ANNA, ModSeq(3));
        assert!(wakes_within(&mut anna, 0.001).await);
        assert_eq!(anna.modseq(), ModSeq(3));
        assert!(!wakes_within(&mut anna, 200.0).await, "once is enough, whatever arrives again");
        assert!(!wakes_within(&mut bert, 0.001).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_another_node_wakes() {
    let (hub, liar, database) = node(Lie::Delays);
    let mut anna = hub.watch(ANNA);
    database.commit(ANNA, 3);
    liar.publish(Hint { account: ANNA, modseq: ModSeq(3) });
    assert!(!wakes_within(&mut anna, 0.9).await);
    assert!(wakes_within(&mut anna, 0.2).await);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_finds_what_no_hint_told_with_one_question_per_node() {
    let (hub, _liar, database) = node(Lie::Loses);
    let mut watches: Vec<Watch> = (0..50).map(|n| hub.watch(AccountId(n % 10))).collect();
    for n in 0..10 {
        database.commit(AccountId(n), 9);
    }
    let asked = database.asked.load(Ordering::Relaxed);
    for watch in &mut watches {
        assert!(wakes_within(watch, 38.0).await);
        assert_eq!(watch.modseq(), ModSeq(9));
    }
    assert_eq!(database.asked.load(Ordering::Relaxed), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_coordinator_makes_the_sweep_fast_until_it_is_back() {
    let (hub, liar, database) = node(Lie::Loses);
    let mut anna = hub.watch(ANNA);
    liar.inbox.lost();
    for modseq in 1..5 {
        database.commit(ANNA, modseq);
        assert!(wakes_within(&mut anna, 1.3).await);
    }
    database.commit(ANNA, 5);
    liar.inbox.resubscribed();
    assert!(wakes_within(&mut anna, 0.001).await, "checked at once");
    database.commit(ANNA, 6);
    assert!(!wakes_within(&mut anna, 20.0).await, "slow again");
    assert!(wakes_within(&mut anna, 20.0).await);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_subscription_asks_about_its_account_only() {
    let (hub, liar, database) = node(Lie::Loses);
    let (mut anna, mut bert) = (hub.watch(ANNA), hub.watch(BERT));
    database.commit(ANNA, 4);
    database.commit(BERT, 4);
    liar.inbox.hint(Hint { account: ANNA, modseq: UNKNOWN });
    assert!(wakes_within(&mut anna, 0.001).await);
    assert_eq!(anna.modseq(), ModSeq(4));
    assert!(!wakes_within(&mut bert, 1.0).await);
    hub.changed(ANNA, ModSeq(5));
    assert!(wakes_within(&mut anna, 0.001).await, "the unknown did not stay");
}

#[tokio::test(start_paused = true)]
async fn postgresql_may_be_away_for_a_while() {
    let (hub, liar, database) = node(Lie::Loses);
    let mut anna = hub.watch(ANNA);
    database.away.store(true, Ordering::Relaxed);
    database.commit(ANNA, 4);
    liar.inbox.resubscribed();
    assert!(!wakes_within(&mut anna, 60.0).await);
    database.away.store(false, Ordering::Relaxed);
    assert!(wakes_within(&mut anna, 1.3).await);
}

#[tokio::test(start_paused = true)]
async fn a_restored_database_or_a_removed_account_wakes_once() {
    let (hub, _liar, database) = node(Lie::Loses);
    let mut anna = hub.watch(ANNA);
    hub.changed(ANNA, ModSeq(100));
    assert!(wakes_within(&mut anna, 0.001).await);
    database.commit(ANNA, 50);
    assert!(wakes_within(&mut anna, 40.0).await);
    assert_eq!(anna.modseq(), ModSeq(50));
    database.rows.lock().unwrap().remove(&ANNA);
    assert!(wakes_within(&mut anna, 40.0).await);
    assert!(!wakes_within(&mut anna, 100.0).await);
}

#[tokio::test(start_paused = true)]
async fn references_are_counted_and_the_task_ends_with_the_hub() {
    let (hub, liar, database) = node(Lie::Honest);
    let (one, two) = (hub.watch(ANNA), hub.watch(ANNA));
    drop(one);
    assert_eq!(*liar.calls.lock().unwrap(), [(ANNA, true)]);
    drop(two);
    assert_eq!(*liar.calls.lock().unwrap(), [(ANNA, true), (ANNA, false)]);
    let mut again = hub.watch(ANNA);
    hub.changed(ANNA, ModSeq(1));
    assert!(again.take_changed());
    assert!(!again.take_changed());
    drop((again, hub));
    tokio::time::sleep(Duration::from_secs(100)).await;
    let asked = database.asked.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert_eq!(database.asked.load(Ordering::Relaxed), asked);
}

#[test]
fn settings_are_seconds() {
    let read = |text: &str| HubConfig::deserialize(toml_like(text));
    assert_eq!(read("0.5").unwrap().sweep, Duration::from_millis(500));
    assert!(read("0").is_err());
    assert!(read("-1").is_err());
}

/// `sweep_seconds = <number>` without a TOML library.
fn toml_like(number: &str) -> impl Deserializer<'static, Error = serde::de::value::Error> {
    let number: f64 = number.parse().unwrap();
    serde::de::value::MapDeserializer::new(std::iter::once(("sweep_seconds", number)))
}
