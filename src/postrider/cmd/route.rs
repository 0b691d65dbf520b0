//! `postrider route`: how mail for some domains leaves.

use crate::cmd::operator::Where;
use crate::cmd::password;
use crate::cmd::queue::{domain, time};
use crate::exit::{Code, Failure, Outcome};
use crate::outbound::settings::purpose;
use crate::output::table;
use crate::seal::{self, Seal};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::time::Duration;
use store::queue::{RouteRetry, RouteRow, RouteTls, route_list, route_put, route_remove};

/// How mail for some domains leaves. Without a route it goes where DNS says. In force on all nodes within seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider route add '*' --relay smtp.provider.net:587 --tls verify --auth-user me < password
  postrider route add example.com --relay 192.0.2.7:25
  postrider route add '*.internal.example' --relay mda.internal.example:24 --lmtp --tls none
  postrider route add partner.example --tls verify      # by DNS, but only under verified TLS
  postrider route list
  postrider route remove example.com

PATTERN is a domain, *.domain for everything below it, or * for all; the most
special one counts. Each word of --tls:
  none           in the clear
  opportunistic  encrypted if the server can (the default)
  starttls       encrypted, or not at all; also written require
  verify         the same, and the certificate must be the server's
  implicit       TLS from the first octet (port 465); with --verify as above
What the domain, or the relay, itself publishes (DANE, MTA-STS) can ask for
more, except with none.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tls {
    None,
    Opportunistic,
    #[value(alias = "require")]
    Starttls,
    Implicit,
    Verify,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a route, or replace the one with this pattern
    Add(Add),
    /// Show all routes
    List,
    /// Remove a route
    Remove {
        /// Its pattern
        pattern: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// A domain, *.domain, or *
    pattern: String,
    /// The server to hand mail to, instead of those that DNS names
    #[arg(long, value_name = "HOST:PORT", value_parser = relay)]
    relay: Option<(String, u16)>,
    /// It speaks LMTP
    #[arg(long, requires = "relay")]
    lmtp: bool,
    /// What is wanted of TLS
    #[arg(long, value_enum)]
    tls: Option<Tls>,
    /// The certificate must be the server's
    #[arg(long)]
    verify: bool,
    /// User name there; the password is the first line of stdin, or asked for, and stored sealed under secrets.key
    #[arg(long, value_name = "USER", requires = "relay")]
    auth_user: Option<String>,
    /// Wait after the first failed attempt, e.g. 5m; it doubles from there on
    #[arg(long, value_name = "TIME", value_parser = time, requires_all = ["retry_longest", "expire"])]
    retry_first: Option<Duration>,
    /// Longest wait between two attempts, e.g. 4h
    #[arg(long, value_name = "TIME", value_parser = time, requires_all = ["retry_first", "expire"])]
    retry_longest: Option<Duration>,
    /// Given up after so long, e.g. 5d
    #[arg(long, value_name = "TIME", value_parser = time, requires_all = ["retry_first", "retry_longest"])]
    expire: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// As its action.
pub async fn run(args: Args) -> Outcome {
    let place = args.place;
    match args.action {
        Action::Add(add) => {
            let (config, store) = place.store().await?;
            let route = add.route(Seal::of(&config.secrets)?.as_ref())?;
            route_put(&store, &route).await?;
            place.output().show(&route, || format!("{}: {}", route.pattern, says(&route)))
        }
        Action::List => {
            let (_, store) = place.store().await?;
            let routes = route_list(&store).await?;
            place.output().show(&routes, || list(&routes))
        }
        Action::Remove { pattern } => {
            let pattern = checked(&pattern)?;
            let (_, store) = place.store().await?;
            if !route_remove(&store, &pattern).await? {
                return Err(Failure::new(Code::Named, format!("there is no route for {pattern}")));
            }
            place.output().show(&json!({ "pattern": pattern }), || format!("removed {pattern}"))
        }
    }
}

impl Add {
    fn route(self, seal: Option<&Seal>) -> Outcome<RouteRow> {
        let pattern = checked(&self.pattern)?;
        let retry = match (self.retry_first, self.retry_longest, self.expire) {
            (Some(first), Some(longest), Some(expire)) => {
                if expire.is_zero() {
                    return Err(Failure::usage("--expire: at least 1s"));
                }
                if first.is_zero() || longest < first {
                    return Err(Failure::usage("--retry-longest: not less than --retry-first"));
                }
                Some(RouteRetry { first, longest, expire })
            }
            _ => None,
        };
        // A password in the clear is none.
        let default = if self.auth_user.is_some() { Tls::Starttls } else { Tls::Opportunistic };
        let wanted = self.tls.unwrap_or(default);
        let tls = match wanted {
            Tls::None if self.auth_user.is_some() => {
                return Err(Failure::usage("--auth-user: a password is not sent in the clear"));
            }
            Tls::None if self.verify => {
                return Err(Failure::usage("--verify: there is nothing to verify without TLS"));
            }
            Tls::None => RouteTls::None,
            Tls::Opportunistic if self.verify => RouteTls::StartTls,
            Tls::Opportunistic => RouteTls::Opportunistic,
            Tls::Starttls | Tls::Verify => RouteTls::StartTls,
            Tls::Implicit => RouteTls::Implicit,
        };
        let mut row = RouteRow {
            pattern,
            relay: self.relay,
            lmtp: self.lmtp,
            tls,
            tls_verify: self.verify || wanted == Tls::Verify,
            auth_user: self.auth_user,
            auth_secret: None,
            retry,
        };
        if let Some(user) = &row.auth_user {
            let seal = seal.ok_or_else(|| {
                let text = "--auth-user: passwords are stored sealed, and secrets.key is not set";
                Failure::usage(text).hint(seal::HOW)
            })?;
            let sealed = seal.seal(&purpose(&row), &password::secret(user)?);
            row.auth_secret = Some(sealed.map_err(|error| Failure::failed(error.to_string()))?);
        }
        Ok(row)
    }
}

/// A pattern in A-labels.
pub(super) fn checked(pattern: &str) -> Outcome<String> {
    match pattern.strip_prefix("*.") {
        _ if pattern == "*" => Ok(pattern.to_owned()),
        Some(parent) => Ok(format!("*.{}", domain(parent)?)),
        None => domain(pattern),
    }
}

/// `host:port`, `[v6]:port`, or a host alone.
fn relay(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is not HOST:PORT");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, rest.strip_prefix(':').ok_or_else(wrong)?)
        }
        None => text.rsplit_once(':').ok_or_else(wrong)?,
    };
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let named = types::EmailAddress::normalise_domain(host);
    match (host.parse::<std::net::IpAddr>(), named) {
        (Ok(ip), _) => Ok((ip.to_string(), port)),
        (_, Ok(name)) => Ok((name, port)),
        _ => Err(wrong()),
    }
}

fn list(routes: &[RouteRow]) -> String {
    if routes.is_empty() {
        return "no routes: mail goes where DNS says\n".into();
    }
    let rows: Vec<_> = routes.iter().map(|route| [route.pattern.clone(), says(route)]).collect();
    table(["PATTERN", "GOES"], &rows)
}

fn says(route: &RouteRow) -> String {
    let mut out = match &route.relay {
        Some((host, port)) if host.contains(':') => format!("to [{host}]:{port}"),
        Some((host, port)) => format!("to {host}:{port}"),
        None => "by DNS".into(),
    };
    if route.lmtp {
        out.push_str(" by LMTP");
    }
    out.push_str(match (route.tls, route.tls_verify) {
        (RouteTls::None, _) => ", in the clear",
        (RouteTls::Opportunistic, _) => ", TLS if offered",
        (RouteTls::StartTls, false) => ", STARTTLS or not at all",
        (RouteTls::StartTls, true) => ", STARTTLS with a verified certificate or not at all",
        (RouteTls::Implicit, false) => ", implicit TLS",
        (RouteTls::Implicit, true) => ", implicit TLS with a verified certificate",
    });
    if let Some(user) = &route.auth_user {
        out.push_str(&format!(", as {user}"));
    }
    if let Some(retry) = &route.retry {
        let ago = crate::output::ago;
        out.push_str(&format!(
            ", retried after {} to {}, given up after {}",
            ago(retry.first),
            ago(retry.longest),
            ago(retry.expire)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_and_patterns() {
        assert_eq!(relay("smtp.Example.org:587"), Ok(("smtp.example.org".into(), 587)));
        assert_eq!(relay("[2001:db8::1]:25"), Ok(("2001:db8::1".into(), 25)));
        for wrong in ["", "host", "host:", "host:0", "host:99999", "a b:25", "[::1]25"] {
            assert!(relay(wrong).is_err(), "{wrong}");
        }
        assert_eq!(checked("*.Bücher.example").unwrap(), "*.xn--bcher-kva.example");
        assert_eq!(checked("*").unwrap(), "*");
        assert!(checked("*x.org").is_err() && checked("").is_err());
    }
}
