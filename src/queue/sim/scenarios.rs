//! Single stories whose end is a number.

use super::Mutation;
use super::faults::Fault;
use super::world::Sim;
use rand::SeedableRng;
use rand::rngs::SmallRng;

type Result = std::result::Result<(), String>;

/// Three nodes that have run for a while, over several seeds.
fn nodes(sites: usize, mutation: Mutation, story: impl Fn(&mut Sim) -> Result) -> Result {
    for seed in 0..20 {
        let mut sim = Sim::quiet(SmallRng::seed_from_u64(seed), 3, sites, mutation);
        sim.pass(20_000)?;
        story(&mut sim).map_err(|why| format!("seed {seed}: {why}"))?;
    }
    Ok(())
}

fn all_arrived(sim: &Sim, ids: std::ops::RangeInclusive<i64>, by: u64) -> Result {
    for id in ids {
        match sim.arrival(id) {
            Some(at) if at <= by => {}
            other => return Err(format!("{id} arrived at {other:?}, not by {by}")),
        }
    }
    Ok(())
}

#[test]
fn mail_is_on_its_way_at_once() -> Result {
    nodes(1, Mutation::None, |sim| {
        let began = sim.now;
        let id = sim.accept(0, 0, 1, 1);
        sim.pass(5_000)?;
        // A bell, a token, permits, a claim, a connection: then most messages take less than half a second.
        let waited = sim.arrival(id).map(|at| at - began);
        if waited.is_some_and(|ms| ms < 1_500) { Ok(()) } else { Err(format!("{waited:?}")) }
    })
}

#[test]
fn bells_alone_are_enough_in_calm_weather() -> Result {
    for seed in (9..1_000).step_by(10) {
        Sim::new(seed, Mutation::NoSweep).run().map_err(|why| format!("seed {seed}: {why}"))?;
    }
    Ok(())
}

#[test]
fn a_killed_nodes_mail_is_somebody_elses_within_twenty_seconds() -> Result {
    nodes(1, Mutation::None, |sim| {
        let id = sim.accept(0, 0, 1, 30);
        sim.pass(400)?;
        for node in 1..3 {
            sim.strike(Fault::Kill(node))?;
        }
        let killed = sim.now;
        sim.pass(60_000)?;
        // Detected within 17 s; then thirty messages of up to half a second over two connections.
        all_arrived(sim, id - 29..=id, killed + 35_000)
    })
}

#[test]
fn a_drained_nodes_mail_is_somebody_elses_at_once() -> Result {
    nodes(1, Mutation::None, |sim| {
        let id = sim.accept(0, 0, 1, 12);
        sim.pass(300)?;
        for node in 1..3 {
            sim.strike(Fault::Drain(node))?;
        }
        let drained = sim.now;
        sim.pass(60_000)?;
        all_arrived(sim, id - 11..=id, drained + 60_000)?;
        if sim.story.takeovers > 0 || sim.story.duplicates > 0 {
            return Err(format!("{:?}", sim.story));
        }
        Ok(())
    })
}

#[test]
fn a_dead_destination_does_not_slow_the_others() -> Result {
    nodes(2, Mutation::None, |sim| {
        sim.down.insert(sim.destinations[0].clone(), u64::MAX);
        for node in 0..3 {
            sim.accept(node, 0, 1, 200);
        }
        sim.pass(30_000)?;
        for _ in 0..10 {
            let began = sim.now;
            let id = sim.accept(1, 1, 1, 1);
            sim.pass(10_000)?;
            all_arrived(sim, id..=id, began + 2_500)?;
        }
        Ok(())
    })
}

#[test]
fn a_tenants_flood_does_not_hold_up_another_tenant() -> Result {
    nodes(1, Mutation::None, |sim| {
        let flood = sim.accept(0, 0, 1, 400);
        sim.pass(3_000)?;
        let other = sim.accept(1, 0, 2, 1);
        sim.pass(200_000)?;
        let before =
            (flood - 399..=flood).filter(|id| sim.arrival(*id) < sim.arrival(other)).count();
        // What had been claimed, and one batch of each connection.
        if sim.arrival(other).is_some() && before < 100 { Ok(()) } else { Err(format!("{before}")) }
    })
}
