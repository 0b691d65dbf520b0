//! The seeded simulation: several engines, one PostgreSQL, one Redis and some destinations, all of which may fail
//! at any moment, in one thread and in no time.
//!
//! A seed decides everything. A failing one is printed; `QUEUE_SEED=n cargo test -p queue sim` replays it with its
//! whole story, `QUEUE_SEEDS=n` runs so many of them. What is checked, at every step that could break it:
//!
//! * what was accepted ends as delivered or refused, and only as what the destination said;
//! * whatever is delivered twice has an excuse: its first sender was killed, paused or cut off between final dot
//!   and commit, the destination hung up after the dot, or a failover forgot what was committed;
//! * no more connections to a destination than its limit, but for one lease after a coordinator forgot;
//! * when everything is whole again, the queue empties.
//!
//! The engines are the real ones. What is broken on purpose ([`Mutation`]) is broken outside of them, and must be
//! noticed: else the simulation would prove nothing.

mod carry;
mod check;
mod faults;
mod node;
mod postgres;
mod redis;
mod scenarios;
mod world;

use world::{Sim, Story};

/// What a test breaks to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mutation {
    #[default]
    None,
    /// The check before the final dot is not asked.
    NoCheckBeforeTheDot,
    /// It is asked whether the lease runs, not whether it still is the one the claim was made under.
    AnyTermWillDo,
    /// Whose lease the database calls expired is taken for gone at once.
    TrustTheDatabasesClock,
    /// Nothing without a bell is looked for.
    NoSweep,
    /// Failures count whoever owns the row.
    NoFence,
    /// Rows of a claim whose answer was lost are not looked for.
    NoReconciliation,
    /// A dead node's rows are nobody's business.
    NoTakeover,
    /// A result that could not be written is given up.
    RecordsAreDropped,
    /// A delivery whose fence is gone is not written.
    FactsAreFenced,
    /// Permits are for the asking.
    NoLimits,
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("QUEUE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("QUEUE_SEEDS").unwrap_or(default),
    }
}

/// Runs seeds on all processors; the first that fails, and why.
fn run(seeds: std::ops::Range<u64>, mutation: Mutation) -> Result<Story, (u64, String)> {
    use std::sync::atomic::{AtomicU64, Ordering};
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut total = Story::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(total);
            }
            match Sim::new(seed, mutation).run() {
                Ok(story) => total.add(&story),
                Err(why) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return Err((seed, why));
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().min(4));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut total = Story::default();
        for thread in threads {
            total.add(&thread.join().expect("a simulation does not panic")?);
        }
        Ok(total)
    })
}

#[test]
fn everything_that_can_go_wrong() {
    match run(seeds(2_000), Mutation::None) {
        Ok(story) => {
            println!("{story:?}");
            if std::env::var("QUEUE_SEED").is_err() {
                story.is_worth_telling();
            }
        }
        Err((seed, why)) => panic!("{why}\nreplay with QUEUE_SEED={seed}"),
    }
}

/// What is broken is noticed, by some seed.
#[test]
fn the_simulation_notices() {
    for mutation in [
        Mutation::NoCheckBeforeTheDot,
        Mutation::AnyTermWillDo,
        Mutation::TrustTheDatabasesClock,
        Mutation::NoSweep,
        Mutation::NoFence,
        Mutation::NoReconciliation,
        Mutation::NoTakeover,
        Mutation::RecordsAreDropped,
        Mutation::FactsAreFenced,
        Mutation::NoLimits,
    ] {
        let found = run(0..20_000, mutation);
        match found {
            Ok(_) => panic!("{mutation:?} was not noticed"),
            Err((seed, why)) => println!("{mutation:?}: seed {seed}: {why}"),
        }
    }
}
