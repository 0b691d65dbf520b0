//! Everything that is linked into the `postrider` binary is under a permissive licence.

use crate::dependency_rules::metadata;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What may be linked. No copyleft, however weak; nothing without a text that was read.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package in the normal (not dev, not build) dependency graph of `postrider`.
fn linked(metadata: &Value) -> Result<Vec<&Value>> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .context("packages")?
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .context("nodes")?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let root = packages.iter().find(|(_, package)| package["name"] == "postrider");
    let mut todo = vec![*root.context("no package postrider")?.0];
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().into_iter().flatten() {
            let normal = |kind: &Value| kind["kind"].is_null();
            if dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(normal)) {
                todo.extend(dependency["pkg"].as_str());
            }
        }
    }
    Ok(seen.into_iter().map(|id| packages[id]).collect())
}

#[test]
fn the_binary_is_permissive_only() -> Result<()> {
    let metadata = metadata()?;
    let linked = linked(&metadata)?;
    assert!(linked.len() > 100, "the graph has {} packages", linked.len());
    let mut faults = Vec::new();
    for package in linked {
        let name =
            format!("{} {}", package["name"].as_str().unwrap_or_default(), package["version"]);
        let Some(licence) = package["license"].as_str() else {
            faults.push(format!("{name}: no licence is declared"));
            continue;
        };
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
        let allowed = expression.is_ok_and(|expression| {
            expression.evaluate(|requirement| {
                let id = requirement.license.id().map(|id| id.name);
                id.is_some_and(|id| ALLOWED.contains(&id))
            })
        });
        if !allowed {
            faults.push(format!("{name}: {licence}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// The list would be worthless if it let these through.
#[test]
fn copyleft_is_not_permissive() {
    for licence in
        ["AGPL-3.0-only", "GPL-2.0-or-later", "LGPL-3.0", "MPL-2.0", "EPL-2.0", "SSPL-1.0"]
    {
        assert!(!ALLOWED.contains(&licence));
    }
}
