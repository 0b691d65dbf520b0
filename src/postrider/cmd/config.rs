//! `postrider config check`: what would be used.

use crate::cmd::operator::{Where, config_files};
use crate::cmd::serve::key_value;
use crate::config::{Config, Layers, load, show};
use crate::exit::{Failure, Outcome};
use clap::Subcommand;
use net::{CertificateFiles, Tls};
use serde_json::Value;
use std::net::SocketAddr;

/// The configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider config check --config /etc/postrider/postrider.toml
  POSTRIDER__LIMITS__PER_IP=9 postrider config check --json | jq .limits

Prints every setting that would be used, secrets hidden. Fails when a
certificate cannot be read or does not belong to its key, or when an address
is not one of this machine's. It asks no other server: `postrider doctor` does.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print what would be used, and what is wrong with it
    Check {
        /// One setting, e.g. limits.per_ip=50
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
        set: Vec<(String, String)>,
    },
}

/// Runs the command.
///
/// # Errors
/// The configuration is unusable.
pub fn run(args: Args) -> Outcome {
    let Action::Check { set } = args.action;
    let config = match &args.place.data {
        Some(_) => args.place.load()?,
        None => {
            let mut layers = Layers::files(config_files(&args.place.config)?);
            layers.flags = set;
            load(&layers)?
        }
    };
    let shown = show(&config)?;
    args.place.output().show(&shown, || lines(&shown))?;
    let wrong = complaints(&config);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(wrong.join("; "))) }
}

/// `section.key = value`, one per line.
fn lines(shown: &Value) -> String {
    let mut out = String::new();
    flatten("", shown, &mut out);
    out
}

fn flatten(prefix: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, out);
            }
        }
        Value::Null => out.push_str(&format!("{prefix} is not set\n")),
        other => out.push_str(&format!("{prefix} = {other}\n")),
    }
}

/// What loading alone does not find.
fn complaints(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    let files = config.tls.certificates.iter().map(|pair| CertificateFiles {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
    });
    if !config.tls.certificates.is_empty()
        && let Err(error) = Tls::load_with(files.collect(), config.tls.clients())
    {
        wrong.push(error.to_string());
    }
    for (name, listen) in config.listen.wanted() {
        for address in &listen.addresses {
            if let Some(error) = not_ours(*address) {
                wrong.push(format!("listen.{name}: {address}: {error}"));
            }
        }
    }
    if config.tls.certificates.is_empty() && config.listen.wanted().iter().any(|(n, _)| mail(n)) {
        crate::output::note(
            "tls.certificates is empty: there is no STARTTLS, and nobody can log in",
        );
    }
    wrong
}

fn mail(listener: &str) -> bool {
    listener != "http"
}

/// Whether the machine has this address. The port is left alone: a running node may have it.
fn not_ours(address: SocketAddr) -> Option<std::io::Error> {
    std::net::TcpListener::bind(SocketAddr::new(address.ip(), 0)).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines() {
        let shown = serde_json::json!({ "a": { "b": 1, "c": null }, "d": ["x"] });
        assert_eq!(lines(&shown), "a.b = 1\na.c is not set\nd = [\"x\"]\n");
    }

    #[test]
    fn a_strange_address_is_found() {
        assert!(not_ours("127.0.0.1:25".parse().unwrap()).is_none());
        assert!(not_ours("192.0.2.1:25".parse().unwrap()).is_some());
    }
}
