//! The map of crates, as a test: an arrow goes down only, and each floor sees what it may see.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Floor of each crate of the product. A crate depends on lower floors only, except where [`SIDEWAYS`] says so.
const FLOORS: &[(&str, u32)] = &[
    ("types", 0),
    ("message", 0),
    ("sasl", 0),
    ("policy", 0),
    ("sieve", 0),
    ("smtp", 1),
    ("imap", 1),
    ("pop3", 1),
    ("jmap", 1),
    ("dav", 1),
    ("store", 2),
    ("blob", 2),
    ("coordinator", 2),
    ("resolve", 2),
    ("net", 2),
    ("directory", 3),
    ("mail", 3),
    ("queue", 3),
    ("ingest", 3),
    ("groupware", 3),
    ("smtpd", 4),
    ("imapd", 4),
    ("pop3d", 4),
    ("webd", 4),
    ("delivery", 4),
    ("postrider", 5),
];

/// Dependencies within a floor: all speak the words of `types`; ingest makes one change set of what the others
/// of the domain want.
const SIDEWAYS: &[(&str, &str)] = &[
    ("message", "types"),
    ("sasl", "types"),
    ("policy", "types"),
    ("sieve", "types"),
    ("policy", "message"),
    ("sieve", "message"),
    ("ingest", "mail"),
    ("ingest", "directory"),
    ("ingest", "queue"),
    ("ingest", "groupware"),
];

/// Never in the product.
const DEV: &[&str] = &["testkit", "tests", "load", "xtask"];

/// What a floor must not see, directly.
const FORBIDDEN: &[(&[u32], &[&str])] = &[
    // No I/O, no runtime, no clock of its own.
    (
        &[0, 1],
        &[
            "tokio",
            "tokio-util",
            "store",
            "net",
            "async-trait",
            "socket2",
            "rustls",
            "tokio-rustls",
        ],
    ),
    // The domain sees no machine: sequence numbers belong to IMAP, state strings to JMAP.
    (
        &[3],
        &[
            "smtp",
            "imap",
            "pop3",
            "jmap",
            "dav",
            "tokio-postgres",
            "deadpool-postgres",
            "aws-sdk-s3",
            "fred",
        ],
    ),
    // SQL in a frontend does not compile.
    (
        &[4],
        &[
            "store",
            "blob",
            "coordinator",
            "tokio-postgres",
            "deadpool-postgres",
            "aws-sdk-s3",
            "fred",
        ],
    ),
];

/// Metadata of the workspace, from the committed lock file, as built for the platform we run on.
pub fn metadata() -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Per crate of the workspace: its normal dependencies, then all of them (dev and build ones too).
fn dependencies(metadata: &Value) -> Result<BTreeMap<String, [BTreeSet<String>; 2]>> {
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .context("members")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut all = BTreeMap::new();
    for package in metadata["packages"].as_array().context("packages")? {
        if !members.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        let mut found = [BTreeSet::new(), BTreeSet::new()];
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["name"].as_str().unwrap_or_default().to_owned();
            if dependency["kind"].is_null() {
                found[0].insert(name.clone());
            }
            found[1].insert(name);
        }
        all.insert(package["name"].as_str().unwrap_or_default().to_owned(), found);
    }
    Ok(all)
}

#[test]
fn arrows_go_down_only() -> Result<()> {
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, [normal, _]) in dependencies(&metadata()?)? {
        if DEV.contains(&name.as_str()) {
            continue;
        }
        let Some(floor) = floors.get(name.as_str()) else {
            faults.push(format!("{name} stands on no floor: add it to the map"));
            continue;
        };
        for other in &normal {
            if DEV.contains(&other.as_str()) {
                faults.push(format!("{name} depends on {other}, which is for tests"));
            }
            let Some(below) = floors.get(other.as_str()) else { continue };
            if below >= floor && !SIDEWAYS.contains(&(&name, other)) {
                faults.push(format!("{name} (floor {floor}) depends on {other} (floor {below})"));
            }
        }
        for (at, forbidden) in FORBIDDEN {
            let seen = normal.iter().filter(|other| forbidden.contains(&other.as_str()));
            if at.contains(floor) {
                faults.extend(seen.map(|other| format!("{name} (floor {floor}) sees {other}")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Drivers do not see each other and the domain's crates do not either, whatever the floors say.
#[test]
fn every_crate_stands_where_the_map_says() -> Result<()> {
    for package in metadata()?["packages"].as_array().context("packages")? {
        if !package["source"].is_null() {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default();
        let path = package["manifest_path"].as_str().unwrap_or_default();
        let place =
            if ["tests", "load"].contains(&name) { name.to_owned() } else { format!("src/{name}") };
        assert!(path.ends_with(&format!("/{place}/Cargo.toml")), "{name} is at {path}");
        for target in package["targets"].as_array().into_iter().flatten() {
            if target["kind"] == serde_json::json!(["lib"]) {
                let source = target["src_path"].as_str().unwrap_or_default();
                assert!(source.ends_with(&format!("/{place}/lib.rs")), "{name}: {source}");
            }
        }
    }
    Ok(())
}

/// SQL lives in `store` and nowhere else in the product.
#[test]
fn only_the_store_speaks_to_postgresql() -> Result<()> {
    for (name, [normal, _]) in dependencies(&metadata()?)? {
        let speaks = normal.contains("tokio-postgres") || normal.contains("deadpool-postgres");
        assert!(!speaks || name == "store" || DEV.contains(&name.as_str()), "{name}");
    }
    Ok(())
}
