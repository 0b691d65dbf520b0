//! `postrider cluster status`: the nodes.

use crate::cmd::operator::Where;
use crate::config::{Config, CoordinatorKind};
use crate::connect;
use crate::exit::Outcome;
use crate::output::{ago, note, table};
use clap::Subcommand;
use coordinator::{Coordinator, CoordinatorError, NodeInfo};
use serde::Serialize;
use std::time::Duration;
use store::lease::{NodeLease, node_lease_list};

/// The nodes of the cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider cluster status
  postrider cluster status --json | jq '.nodes[].version'

Nodes show themselves in the coordinator. When that is away, their leases in
PostgreSQL are shown instead, which know no addresses.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the nodes that are alive
    Status,
}

/// What is known of the nodes.
#[derive(Debug, Serialize)]
struct Status {
    /// `coordinator` or `postgres`.
    source: &'static str,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    node: String,
    version: String,
    roles: Vec<String>,
    started_at: chrono::DateTime<chrono::Utc>,
    /// Empty when PostgreSQL is the source.
    listeners: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Neither the coordinator nor PostgreSQL answers.
pub async fn run(args: Args) -> Outcome {
    let Action::Status = args.action;
    let config = args.place.load()?;
    let status = match present(&config).await? {
        Some(nodes) => Status { source: "coordinator", nodes },
        None => {
            let store = connect::store(&config)?;
            let leases = node_lease_list(&store).await;
            let leases = leases.map_err(|error| args.place.explain(error))?;
            let alive = leases.into_iter().filter(|lease| lease.alive);
            Status { source: "postgres", nodes: alive.map(from_lease).collect() }
        }
    };
    args.place.output().show(&status, || text(&status))
}

/// Who shows itself. `None`: nobody can say; then PostgreSQL is asked.
async fn present(config: &Config) -> Outcome<Option<Vec<Node>>> {
    // The coordinator of a single process is that process's own.
    if config.coordinator.kind == CoordinatorKind::Local {
        return Ok(None);
    }
    let coordinator = connect::coordinator(config)?;
    match nodes(coordinator.as_ref()).await {
        Ok(nodes) => Ok(Some(nodes.into_iter().map(from_presence).collect())),
        Err(error) => {
            note(&format!("{error}; showing the leases in PostgreSQL"));
            Ok(None)
        }
    }
}

/// The connection is made in the background: the first answers may come before it is there.
async fn nodes(coordinator: &dyn Coordinator) -> Result<Vec<NodeInfo>, CoordinatorError> {
    let mut tries = 0;
    loop {
        match coordinator.nodes().await {
            Err(_) if tries < 2 => tries += 1,
            result => return result,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn from_presence(info: NodeInfo) -> Node {
    Node {
        node: info.incarnation,
        version: info.version,
        roles: info.roles,
        started_at: chrono::DateTime::from_timestamp(info.started_at, 0).unwrap_or_default(),
        listeners: info.listeners,
    }
}

fn from_lease(lease: NodeLease) -> Node {
    Node {
        node: lease.incarnation.to_string(),
        version: lease.version,
        roles: lease.roles.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect(),
        started_at: lease.started_at,
        listeners: Vec::new(),
    }
}

fn text(status: &Status) -> String {
    let now = chrono::Utc::now();
    let row = |node: &Node| {
        let what = if node.listeners.is_empty() { &node.roles } else { &node.listeners };
        let up = (now - node.started_at).to_std().unwrap_or_default();
        [node.node.clone(), node.version.clone(), ago(up), what.join(", ")]
    };
    let rows: Vec<_> = status.nodes.iter().map(row).collect();
    let mut text = table(["NODE", "VERSION", "UP", "SERVES"], &rows);
    let versions: std::collections::BTreeSet<_> = status.nodes.iter().map(|n| &n.version).collect();
    text.push_str(&match (status.nodes.len(), versions.len()) {
        (0, _) => "no node is alive\n".to_owned(),
        (1, _) => "1 node\n".to_owned(),
        (n, 1) => format!("{n} nodes\n"),
        (n, versions) => format!("{n} nodes, {versions} versions\n"),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_of_versions_is_said() {
        let node = |version: &str| Node {
            node: "N1".into(),
            version: version.into(),
            roles: vec!["smtp".into()],
            started_at: chrono::Utc::now(),
            listeners: vec![],
        };
        let status = Status { source: "postgres", nodes: vec![node("1"), node("2")] };
        assert!(text(&status).ends_with("2 nodes, 2 versions\n"));
    }
}
