//! What a node says of its own health.
//!
//! ```text
//! Starting ──▶ Serving ──▶ Draining
//! ```
//!
//! Ready is: serving, with a schema this binary knows, and not stalled. That a *shared* dependency is away
//! never turns readiness false, since all nodes would leave the balancer together; it is shown in the body.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without a beat for so long, this node's tasks do not get to run.
const STALLED: Duration = Duration::from_secs(15);

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not all listeners accept yet.
    Starting,
    /// In service.
    Serving,
    /// Going down.
    Draining,
}

/// What was last seen of a dependency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dependency {
    /// Whether it answered.
    pub ok: bool,
    /// What it answered instead; one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long its answer took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

impl Dependency {
    /// It answered.
    #[must_use]
    pub fn up(round_trip: Duration) -> Self {
        Self { ok: true, error: None, round_trip_ms: Some(round_trip.as_secs_f64() * 1e3) }
    }

    /// It did not.
    #[must_use]
    pub fn down(error: impl Into<String>) -> Self {
        Self { ok: false, error: Some(error.into()), round_trip_ms: None }
    }
}

/// The body of `/readyz`.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    /// Whether a balancer should send clients here.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where the node stands.
    pub phase: Phase,
    /// This run of this node.
    pub node: String,
    /// Program version.
    pub version: String,
    /// What it stands on, by name.
    pub dependencies: BTreeMap<&'static str, Seen>,
}

/// A dependency and when it was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// What was seen.
    #[serde(flatten)]
    pub dependency: Dependency,
    /// How long ago.
    pub checked_seconds_ago: f64,
}

/// The health of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    node: String,
    version: String,
    phase: Phase,
    schema_complaint: Option<String>,
    dependencies: BTreeMap<&'static str, (Dependency, Instant)>,
    beat: Instant,
}

impl Health {
    /// A node that starts.
    #[must_use]
    pub fn new(node: impl Into<String>, version: impl Into<String>) -> Self {
        let state = State {
            node: node.into(),
            version: version.into(),
            phase: Phase::Starting,
            schema_complaint: None,
            dependencies: BTreeMap::new(),
            beat: Instant::now(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on. Never back: a late "serving" does not undo a drain.
    pub fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if phase as u8 > state.phase as u8 {
            tracing::debug!(from = ?state.phase, to = ?phase, "the node's phase");
            state.phase = phase;
        }
    }

    /// Whether this binary may work with the database's schema; `Some` is the reason why not.
    pub fn schema(&self, complaint: Option<String>) {
        self.state().schema_complaint = complaint;
    }

    /// What was seen of a dependency. Logs only when it comes or goes.
    pub fn saw(&self, name: &'static str, dependency: Dependency) {
        ::metrics::gauge!("postrider_dependency_up", "dependency" => name).set(if dependency.ok {
            1.0
        } else {
            0.0
        });
        let mut state = self.state();
        let before = state.dependencies.get(name).is_none_or(|(seen, _)| seen.ok);
        match (&dependency.error, before) {
            (Some(error), true) => {
                tracing::warn!(dependency = name, %error, "a dependency is away")
            }
            (None, false) => tracing::info!(dependency = name, "a dependency is back"),
            _ => {}
        }
        state.dependencies.insert(name, (dependency, Instant::now()));
    }

    /// A sign that tasks get to run; to be given every second.
    pub fn beat(&self) {
        self.state().beat = Instant::now();
    }

    /// Whether the beat is missing.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.state().beat.elapsed() > STALLED
    }

    /// What `/readyz` says now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let state = self.state();
        let reason = reason(&state, Instant::now());
        let dependencies = state.dependencies.iter().map(|(name, (dependency, at))| {
            let checked_seconds_ago = at.elapsed().as_secs_f64();
            (*name, Seen { dependency: dependency.clone(), checked_seconds_ago })
        });
        Readiness {
            ready: reason.is_none(),
            reason,
            phase: state.phase,
            node: state.node.clone(),
            version: state.version.clone(),
            dependencies: dependencies.collect(),
        }
    }
}

fn reason(state: &State, now: Instant) -> Option<String> {
    match state.phase {
        Phase::Starting => return Some(why_not_yet(state)),
        Phase::Draining => return Some("draining".into()),
        Phase::Serving => {}
    }
    if now.duration_since(state.beat) > STALLED {
        return Some("stalled".into());
    }
    state.schema_complaint.clone()
}

fn why_not_yet(state: &State) -> String {
    state.schema_complaint.clone().unwrap_or_else(|| "starting".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_dependency_that_is_away_leaves_the_node_ready() {
        let health = Health::new("N1", "1");
        assert!(!health.readiness().ready);
        health.enter(Phase::Serving);
        health.saw("postgres", Dependency::down("gone"));
        let readiness = health.readiness();
        assert!(readiness.ready);
        assert!(!readiness.dependencies["postgres"].dependency.ok);
    }

    #[test]
    fn what_concerns_this_node_alone_turns_it_unready() {
        let health = Health::new("N1", "1");
        health.enter(Phase::Serving);
        health.schema(Some("too new".into()));
        assert_eq!(health.readiness().reason.as_deref(), Some("too new"));
        health.schema(None);
        assert!(health.readiness().ready);
        let Some(long_ago) = Instant::now().checked_sub(STALLED * 2) else { return };
        health.state().beat = long_ago;
        assert_eq!(health.readiness().reason.as_deref(), Some("stalled"));
        assert!(health.stalled());
        health.beat();
        assert!(health.readiness().ready);
    }

    #[test]
    fn a_drain_is_not_undone() {
        let health = Health::new("N1", "1");
        health.enter(Phase::Draining);
        health.enter(Phase::Serving);
        assert_eq!(health.readiness().reason.as_deref(), Some("draining"));
    }
}
