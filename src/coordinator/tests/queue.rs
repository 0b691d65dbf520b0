//! One suite for [`Work`](crate::work::Work) and [`Limits`](crate::limits::Limits), run on every backend, and what
//! only Redis can do: forget, restart and stand still.

use super::Server;
use crate::limits::{Acquired, Allowed, Limit, Permit, Rate, SharedLimits};
use crate::work::board::Board;
use crate::work::{Bell, Give, Given, SharedWork, TOKEN_IDLE, Token};
use crate::{Coordinator, Local, Redis};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use types::{Destination, Incarnation};

/// Two nodes of one cluster.
struct Pair {
    a: SharedWork,
    b: SharedWork,
    me: Incarnation,
    you: Incarnation,
}

impl Pair {
    fn new(a: &dyn Coordinator, b: &dyn Coordinator) -> Self {
        let (a, b) = (a.work().unwrap(), b.work().unwrap());
        Self { a, b, me: Incarnation::new(), you: Incarnation::new() }
    }

    async fn take(&self) -> Vec<Token> {
        self.a.take(self.me, 100).await.unwrap()
    }

    /// Takes until something comes.
    async fn take_one(&self, limit: Duration) -> Token {
        let begun = Instant::now();
        loop {
            if let Ok(mut tokens) = self.a.take(self.me, 1).await
                && let Some(token) = tokens.pop()
            {
                return token;
            }
            assert!(begun.elapsed() < limit, "no token within {limit:?}");
            let _ = tokio::time::timeout(Duration::from_millis(300), self.a.woken()).await;
        }
    }

    /// Ends whatever waits.
    async fn empty(&self) {
        let mut quiet = 0;
        while quiet < 3 {
            let tokens = self.take().await;
            quiet = if tokens.is_empty() { quiet + 1 } else { 0 };
            for token in tokens {
                assert_eq!(self.done(&token).await, Given::Gone);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn done(&self, token: &Token) -> Given {
        let generation = token.generation;
        self.a.give(self.me, token, Give::Done { generation }).await.unwrap()
    }
}

fn site(name: &str) -> Destination {
    Destination::new(&format!("{name}.test"))
}

async fn ring(work: &SharedWork, name: &str, bell: Bell) {
    work.ring(&[(site(name), bell)]).await.unwrap();
}

const SOON: Duration = Duration::from_secs(10);

async fn one_token_for_many_bells(pair: &Pair) {
    let bells = vec![(site("many"), Bell::Now); 200];
    pair.b.ring(&bells).await.unwrap();
    pair.a.ring(&bells).await.unwrap();
    let token = pair.take_one(SOON).await;
    assert_eq!(token.destination, site("many"));
    assert!(pair.take().await.is_empty() && pair.b.take(pair.you, 9).await.unwrap().is_empty());
    assert_eq!(pair.done(&token).await, Given::Gone);
    assert_eq!(pair.done(&token).await, Given::Lost, "once");
}

async fn no_bell_is_lost(pair: &Pair) {
    ring(&pair.a, "late", Bell::Now).await;
    let mut token = pair.take_one(SOON).await;
    ring(&pair.b, "late", Bell::Now).await;
    let Given::Again { generation } = pair.done(&token).await else { panic!("the bell was lost") };
    assert!(generation > token.generation);
    token.generation = generation;
    assert_eq!(pair.done(&token).await, Given::Gone);
}

async fn somebody_elses_token_is_not_given(pair: &Pair) {
    ring(&pair.a, "his", Bell::Now).await;
    let token = pair.take_one(SOON).await;
    assert_eq!(pair.b.give(pair.you, &token, Give::Back).await.unwrap(), Given::Lost);
    assert_eq!(pair.b.beat(pair.you, std::slice::from_ref(&token)).await.unwrap(), [token.id]);
    assert!(pair.a.beat(pair.me, std::slice::from_ref(&token)).await.unwrap().is_empty());
    assert_eq!(pair.done(&token).await, Given::Gone);
}

async fn a_token_given_back_is_the_others(pair: &Pair) {
    ring(&pair.a, "back", Bell::Now).await;
    let token = pair.take_one(SOON).await;
    assert_eq!(pair.a.give(pair.me, &token, Give::Back).await.unwrap(), Given::Gone);
    let again = Pair { a: pair.b.clone(), b: pair.a.clone(), me: pair.you, you: pair.me };
    let token = again.take_one(SOON).await;
    assert_eq!(again.done(&token).await, Given::Gone);
}

async fn big_destinations_have_several(pair: &Pair) {
    for _ in 0..5 {
        ring(&pair.a, "big", Bell::More(3)).await;
    }
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(pair.take_one(SOON).await);
    }
    assert!(pair.take().await.is_empty());
    assert_eq!(tokens.iter().map(|token| token.id).collect::<BTreeSet<_>>().len(), 3);
    ring(&pair.a, "big", Bell::Now).await;
    for token in &mut tokens {
        let Given::Again { generation } = pair.done(token).await else { panic!("all hear it") };
        token.generation = generation;
        assert_eq!(pair.done(token).await, Given::Gone);
    }
}

async fn the_near_future_comes(pair: &Pair) {
    let begun = Instant::now();
    ring(&pair.a, "soon", Bell::In(Duration::from_secs(60))).await;
    ring(&pair.b, "soon", Bell::In(Duration::from_secs(1))).await;
    ring(&pair.b, "soon", Bell::In(Duration::from_secs(30))).await;
    let token = pair.take_one(SOON).await;
    // The clocks behind it count whole milliseconds.
    let slack = Duration::from_millis(5);
    let wanted = Duration::from_secs(1) - slack;
    assert!(begun.elapsed() >= wanted, "the earliest wish counts, not before it");
    let (wait, begun) = (Duration::from_millis(500), Instant::now());
    assert_eq!(pair.a.give(pair.me, &token, Give::Later(wait)).await.unwrap(), Given::Gone);
    let token = pair.take_one(SOON).await;
    assert!(begun.elapsed() >= wait - slack, "put off for so long");
    assert_eq!(pair.done(&token).await, Given::Gone);
}

async fn everything_is_taken_once(pair: &Pair) {
    let bells: Vec<_> = (0..500).map(|n| (site(&format!("d{n}")), Bell::Now)).collect();
    pair.a.ring(&bells).await.unwrap();
    let mut seen = BTreeSet::new();
    let begun = Instant::now();
    while seen.len() < 500 {
        let (mine, yours) = tokio::join!(pair.a.take(pair.me, 7), pair.b.take(pair.you, 90));
        let (mine, yours) = (mine.unwrap(), yours.unwrap());
        assert!(mine.len() <= 7 && yours.len() <= 90);
        for (token, me, work) in mine
            .iter()
            .map(|token| (token, pair.me, &pair.a))
            .chain(yours.iter().map(|token| (token, pair.you, &pair.b)))
        {
            assert!(seen.insert(token.destination.clone()), "{} twice", token.destination);
            let done = Give::Done { generation: token.generation };
            assert_eq!(work.give(me, token, done).await.unwrap(), Given::Gone);
        }
        assert!(begun.elapsed() < SOON, "{} of 500", seen.len());
    }
}

async fn wakes(pair: &Pair) {
    pair.take().await;
    let work = pair.a.clone();
    // Whatever came before has woken by now.
    while tokio::time::timeout(Duration::from_millis(200), work.woken()).await.is_ok() {}
    let waits = tokio::spawn(async move { work.woken().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    ring(&pair.b, "wake", Bell::Now).await;
    tokio::time::timeout(Duration::from_secs(1), waits).await.expect("woken").unwrap();
    let token = pair.take_one(SOON).await;
    assert_eq!(pair.done(&token).await, Given::Gone);
}

/// The one that takes as long as a token may be idle.
async fn idle_tokens_change_hands(pair: &Pair) {
    ring(&pair.a, "idle", Bell::Now).await;
    let idle = pair.take_one(SOON).await;
    ring(&pair.a, "kept", Bell::Now).await;
    let kept = pair.take_one(SOON).await;
    let begun = Instant::now();
    let taken = loop {
        assert!(pair.a.beat(pair.me, std::slice::from_ref(&kept)).await.unwrap().is_empty());
        if let Some(token) = pair.b.take(pair.you, 9).await.unwrap().pop() {
            break token;
        }
        assert!(begun.elapsed() < TOKEN_IDLE * 2);
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert!(begun.elapsed() + Duration::from_secs(1) > TOKEN_IDLE, "{:?}", begun.elapsed());
    assert_eq!(taken.id, idle.id);
    assert_eq!(pair.a.beat(pair.me, &[idle.clone(), kept.clone()]).await.unwrap(), [idle.id]);
    assert_eq!(pair.done(&idle).await, Given::Lost);
    assert_eq!(pair.done(&kept).await, Given::Gone);
    let done = Give::Done { generation: taken.generation };
    assert_eq!(pair.b.give(pair.you, &taken, done).await.unwrap(), Given::Gone);
}

/// The backend and the rules, side by side, through the same random steps.
async fn follows_the_rules(pair: &Pair, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut board = Board::default();
    let nodes = [pair.me, pair.you];
    let mut held: BTreeMap<u64, (Incarnation, Token, Token)> = BTreeMap::new();
    for step in 0..300 {
        let (now, name) = (step * 10, format!("r{seed}-{}", rng.random_range(0..4)));
        match rng.random_range(0..6) {
            0 | 1 => {
                let bell = if rng.random_bool(0.7) { Bell::Now } else { Bell::More(2) };
                ring(&pair.a, &name, bell).await;
                board.ring(now, &site(&name), bell);
            }
            2 | 3 => {
                let me = nodes[rng.random_range(0..2)];
                let mut ruled = board.take(now, me, 50, TOKEN_IDLE);
                let mut real = pair.b.take(me, 50).await.unwrap();
                // Wake-ups may be late.
                for _ in 0..200 {
                    if real.len() >= ruled.len() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    real.extend(pair.b.take(me, 50).await.unwrap());
                }
                real.sort_by(|a, b| (&a.destination, a.id).cmp(&(&b.destination, b.id)));
                ruled.sort_by(|a, b| (&a.destination, a.id).cmp(&(&b.destination, b.id)));
                let names = |tokens: &[Token]| -> Vec<Destination> {
                    tokens.iter().map(|token| token.destination.clone()).collect()
                };
                assert_eq!(names(&real), names(&ruled), "seed {seed} step {step}");
                for (nth, pair) in real.into_iter().zip(ruled).enumerate() {
                    held.insert(step * 100 + nth as u64, (me, pair.0, pair.1));
                }
            }
            _ => {
                let Some(key) = held.keys().nth(rng.random_range(0..held.len().max(1))).copied()
                else {
                    continue;
                };
                let Some((me, real, ruled)) = held.get_mut(&key) else { continue };
                let back = rng.random_bool(0.2);
                let how = |token: &Token| match back {
                    true => Give::Back,
                    false => Give::Done { generation: token.generation },
                };
                let got = pair.a.give(*me, real, how(real)).await.unwrap();
                let wanted = board.give(now, *me, ruled.id, how(ruled));
                match (got, wanted) {
                    (Given::Again { generation: a }, Given::Again { generation: b }) => {
                        (real.generation, ruled.generation) = (a, b);
                    }
                    (got, wanted) => {
                        assert_eq!(got, wanted, "seed {seed} step {step}");
                        held.remove(&key);
                    }
                }
            }
        }
    }
    for (me, token, _) in held.values() {
        let later = Give::Later(Duration::from_secs(3_600));
        pair.a.give(*me, token, later).await.unwrap();
    }
    pair.empty().await;
}

async fn work_conforms(pair: &Pair) {
    one_token_for_many_bells(pair).await;
    no_bell_is_lost(pair).await;
    somebody_elses_token_is_not_given(pair).await;
    a_token_given_back_is_the_others(pair).await;
    big_destinations_have_several(pair).await;
    the_near_future_comes(pair).await;
    everything_is_taken_once(pair).await;
    wakes(pair).await;
    for seed in 0..5 {
        follows_the_rules(pair, seed).await;
    }
    idle_tokens_change_hands(pair).await;
}

fn limit(key: &str, most: u32) -> Limit {
    Limit { key: key.into(), most }
}

async fn acquire(limits: &SharedLimits, wanted: &[Limit]) -> Option<Permit> {
    match limits.acquire(Incarnation::new(), wanted).await.unwrap() {
        Acquired::Permit(permit) => Some(permit),
        Acquired::Full(_) => None,
    }
}

async fn permits_conform(a: &SharedLimits, b: &SharedLimits) {
    let both = [limit("site", 2), limit("tenant", 9)];
    let first = acquire(a, &both).await.unwrap();
    let second = acquire(b, &both).await.unwrap();
    let full = a.acquire(Incarnation::new(), &[limit("tenant", 9), limit("site", 2)]).await;
    assert_eq!(full.unwrap(), Acquired::Full("site".into()));
    assert!(acquire(b, &[limit("tenant", 3)]).await.is_some(), "all or nothing: two are held");
    let me = Incarnation::new();
    assert_eq!(a.renew(me, &[first.clone(), second.clone()]).await.unwrap(), []);
    let forgotten = Permit { id: 77, limits: both.to_vec() };
    assert_eq!(a.renew(me, std::slice::from_ref(&forgotten)).await.unwrap(), [77]);
    a.release(&forgotten).await.unwrap();
    assert!(acquire(a, &both).await.is_none());

    let waiting = b.clone();
    let waits = tokio::spawn(async move { waiting.freed("site").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    a.release(&first).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), waits).await.expect("woken").unwrap();
    assert!(acquire(b, &both).await.is_some());
    a.release(&second).await.unwrap();
}

async fn rates_conform(a: &SharedLimits, b: &SharedLimits) {
    let rate = Rate { key: "r".into(), most: 20, per: Duration::from_secs(2) };
    assert_eq!(a.allow(&rate, 15).await.unwrap(), Allowed::Now(15));
    let Allowed::Now(rest) = b.allow(&rate, 15).await.unwrap() else { panic!() };
    assert!((5..=7).contains(&rest), "{rest}");
    let begun = Instant::now();
    let mut granted = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        match a.allow(&rate, 1).await.unwrap() {
            Allowed::Now(n) => granted += n,
            Allowed::In(wait) => {
                assert!(wait <= Duration::from_millis(101), "{wait:?}");
                tokio::time::sleep(wait).await;
            }
        }
    }
    assert!((17..=22).contains(&granted), "{granted}");
}

async fn tales_conform(a: &SharedLimits, b: &SharedLimits) {
    let keep = Duration::from_secs(1);
    let value = (12 << 56) | 1_234_567;
    assert!(a.tell("mx", 0, value, keep).await.unwrap());
    let told = b.told("mx").await.unwrap();
    assert_eq!(told.value, value);
    assert!(!b.tell("mx", 0, 5, keep).await.unwrap());
    assert!(b.tell("mx", told.version, 5, keep).await.unwrap());
    assert!(!a.tell("mx", told.version, 6, keep).await.unwrap());
    assert_eq!(a.told("mx").await.unwrap().value, 5);
    assert_eq!(a.told("other").await.unwrap().version, 0);
    tokio::time::sleep(keep + Duration::from_millis(200)).await;
    let forgotten = b.told("mx").await.unwrap();
    assert_eq!((forgotten.version, forgotten.value), (0, 0));
    assert!(forgotten.now > told.now);
}

async fn limits_conform(a: &dyn Coordinator, b: &dyn Coordinator) {
    let (a, b) = (a.limits().unwrap(), b.limits().unwrap());
    permits_conform(&a, &b).await;
    rates_conform(&a, &b).await;
    tales_conform(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_work_conforms() {
    let local = Local::default();
    work_conforms(&Pair::new(&local, &local)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_limits_conform() {
    let local = Local::default();
    limits_conform(&local, &local).await;
}

/// Two nodes that reach the server.
async fn nodes(server: &Server) -> (Redis, Redis) {
    let nodes = (server.node(), server.node());
    for node in [&nodes.0, &nodes.1] {
        reachable(node).await;
    }
    nodes
}

async fn reachable(node: &Redis) {
    let begun = Instant::now();
    while node.ping().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_work_conforms_and_leaves_nothing_behind() {
    let server = Server::start();
    let (a, b) = nodes(&server).await;
    work_conforms(&Pair::new(&a, &b)).await;
    let keys = server.cli(&["--raw", "KEYS", "*"]);
    for key in keys.lines() {
        match server.cli(&["TYPE", key]).trim() {
            "stream" => assert_eq!(server.cli(&["XLEN", key]).trim(), "0", "{key}"),
            // The rules' last step put some off.
            "zset" => assert!(key.ends_with("later"), "{key}"),
            other => panic!("{key} is a {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_limits_conform() {
    let server = Server::start();
    let (a, b) = nodes(&server).await;
    limits_conform(&a, &b).await;
    let limits = a.limits().unwrap();
    // Nobody gives signs of life for it.
    let permit = acquire(&limits, &[limit("lost", 1)]).await.unwrap();
    let key = "test:{l:lost}:held";
    assert_eq!(server.cli(&["ZCARD", key]).trim(), "1");
    let score: f64 = server.cli(&["ZSCORE", key, &permit.id.to_string()]).trim().parse().unwrap();
    server.cli(&["ZADD", key, &(score - 15_000_000.0).to_string(), &permit.id.to_string()]);
    assert!(acquire(&limits, &[limit("lost", 1)]).await.is_some(), "it ran out");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_forget_everything_or_a_part() {
    let server = Server::start();
    let (a, b) = nodes(&server).await;
    let pair = Pair::new(&a, &b);
    for forget in [
        &["FLUSHALL"][..],
        &["SCRIPT", "FLUSH"],
        &["DEL", "stream"],
        &["XGROUP", "DESTROY", "stream", "nodes"],
    ] {
        ring(&pair.b, "x", Bell::Now).await;
        let token = pair.take_one(SOON).await;
        let stream = format!("test:{{q{}}}:work", site("x").shard(64));
        let command: Vec<&str> =
            forget.iter().map(|word| if *word == "stream" { &stream } else { *word }).collect();
        server.cli(&command);
        match forget[0] {
            "SCRIPT" => assert_eq!(pair.done(&token).await, Given::Gone),
            "XGROUP" => {
                let again = pair.b.take(pair.you, 9).await.unwrap();
                assert_eq!(again[0].id, token.id, "given out once more");
                assert_eq!(pair.done(&token).await, Given::Lost);
                let done = Give::Done { generation: again[0].generation };
                assert_eq!(pair.b.give(pair.you, &again[0], done).await.unwrap(), Given::Gone);
            }
            _ => assert_eq!(pair.done(&token).await, Given::Lost),
        }
        // The sweep finds the work once more.
        ring(&pair.b, "x", Bell::Now).await;
        let token = pair.take_one(SOON).await;
        assert_eq!(pair.done(&token).await, Given::Gone, "after {forget:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_restart_and_stand_still() {
    let mut server = Server::start();
    let (a, b) = nodes(&server).await;
    let pair = Pair::new(&a, &b);
    ring(&pair.b, "x", Bell::Now).await;
    let token = pair.take_one(SOON).await;

    server.down();
    let begun = Instant::now();
    assert!(pair.a.ring(&[(site("y"), Bell::Now)]).await.is_err());
    assert!(pair.a.take(pair.me, 1).await.is_err());
    assert!(a.limits().unwrap().acquire(pair.me, &[limit("l", 1)]).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    server.up();
    reachable(&a).await;
    reachable(&b).await;
    assert_eq!(pair.done(&token).await, Given::Lost);
    ring(&pair.b, "z", Bell::Now).await;
    let token = pair.take_one(SOON).await;

    server.signal("-STOP");
    let begun = Instant::now();
    assert!(pair.a.beat(pair.me, std::slice::from_ref(&token)).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(4));
    server.signal("-CONT");
    reachable(&a).await;
    reachable(&b).await;
    assert_eq!(pair.done(&token).await, Given::Gone);
    wakes(&pair).await;
}

/// As after a failover to a replica that lacked the last writes.
#[tokio::test(flavor = "multi_thread")]
async fn redis_may_come_back_with_the_past() {
    let mut server = Server::start();
    let (a, b) = nodes(&server).await;
    let pair = Pair::new(&a, &b);
    ring(&pair.b, "given", Bell::Now).await;
    let given = pair.take_one(SOON).await;
    ring(&pair.b, "waits", Bell::Now).await;
    let limits = a.limits().unwrap();
    let permit = acquire(&limits, &[limit("l", 1)]).await.unwrap();
    server.cli(&["SAVE"]);
    // All of this will not have been.
    let waits = pair.take_one(SOON).await;
    assert_eq!(pair.done(&given).await, Given::Gone);
    ring(&pair.b, "lost", Bell::Now).await;
    limits.release(&permit).await.unwrap();
    server.down();
    server.up();
    reachable(&a).await;
    reachable(&b).await;

    assert_eq!(pair.done(&waits).await, Given::Lost, "nobody has it");
    assert!(acquire(&limits, &[limit("l", 1)]).await.is_none(), "until it runs out");
    ring(&pair.b, "lost", Bell::Now).await;
    let mut wanted = BTreeSet::from([site("given"), site("waits"), site("lost")]);
    let begun = Instant::now();
    while !wanted.is_empty() {
        for token in pair.b.take(pair.you, 9).await.unwrap() {
            assert!(wanted.remove(&token.destination), "{} twice", token.destination);
            let done = Give::Done { generation: token.generation };
            assert_eq!(pair.b.give(pair.you, &token, done).await.unwrap(), Given::Gone);
        }
        assert!(begun.elapsed() < TOKEN_IDLE * 2, "{wanted:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(acquire(&limits, &[limit("l", 1)]).await.is_some());
}
