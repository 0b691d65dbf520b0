//! What operators set for all nodes: routes and limits, kept in memory and looked at again every few seconds.
//!
//! Until they were read once nothing leaves: mail that is meant for a relay must not go anywhere else.

use super::way::{SenderLimits, SiteLimits, Way};
use crate::seal::{self, Closed, Seal};
use coordinator::limits::{Limit, Rate};
use delivery::{Hop, Plan, Route, TlsPolicy};
use queue::{RetryPolicy, Schedule};
use rand::Rng;
use secrecy::ExposeSecret;
use smtp::client::{Credentials, Protocol};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use store::Store;
use store::queue::{Claimed, LimitRow, LimitScope, RouteRow, RouteTls, settings_load};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Routes and limits in force.
pub struct Settings {
    /// Connections of a site without a limit of its own.
    connections: u32,
    retry: RetryPolicy,
    seal: Option<Seal>,
    rules: RwLock<Option<Arc<Rules>>>,
}

/// One state of them.
#[derive(Default)]
struct Rules {
    version: i64,
    routes: HashMap<String, Way>,
    /// By scope and pattern.
    limits: HashMap<(&'static str, String), LimitRow>,
    default: Way,
}

impl Settings {
    /// `connections`: of a site without a limit of its own; `retry`: of a route without times of its own; `seal`: what
    /// routes' passwords are sealed under.
    pub fn new(connections: u32, retry: RetryPolicy, seal: Option<Seal>) -> Self {
        Self { connections, retry, seal, rules: RwLock::default() }
    }

    /// Looks again and again, for ever.
    pub async fn keep(self: Arc<Self>, store: Store) {
        loop {
            if let Err(error) = self.look(&store).await {
                tracing::debug!(%error, "routes and limits could not be read");
            }
            let known = self.rules().is_some();
            let pause = if known { LOOK_EVERY } else { LOOK_EVERY / 4 };
            let pause = pause.mul_f64(rand::rng().random_range(0.75..=1.25));
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks once.
    pub async fn look(&self, store: &Store) -> Result<(), store::StoreError> {
        let known = self.rules().map(|rules| rules.version);
        let Some(new) = settings_load(store, known).await? else { return Ok(()) };
        if known.is_some() {
            let (routes, limits) = (new.routes.len(), new.limits.len());
            tracing::info!(routes, limits, "routes and limits have changed");
        }
        let rules = Rules::of(new, self.retry, self.seal.as_ref());
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rules));
        Ok(())
    }

    fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How mail for a domain leaves. `None`: nobody knows yet.
    pub fn way(&self, domain: &str) -> Option<Way> {
        let rules = self.rules()?;
        let found = patterns(domain).find_map(|pattern| rules.routes.get(&pattern));
        Some(found.unwrap_or(&rules.default).clone())
    }

    /// The limits of a site, as mail for the plan's domain sees it.
    pub fn site(&self, plan: &Plan) -> SiteLimits {
        let rules = self.rules();
        let site = plan.site().as_str();
        let row = rules.as_ref().and_then(|rules| rules.site(site, plan.domain()));
        SiteLimits {
            connections: row.and_then(|row| row.connections).unwrap_or(self.connections),
            rate: row.and_then(|row| rate(row, site)),
        }
    }

    /// Limits of who sends a message: of its tenant, of its sender.
    pub fn senders(&self, message: &Claimed) -> Vec<SenderLimits> {
        let Some(rules) = self.rules() else { return Vec::new() };
        let sender = message.reverse_path.to_ascii_lowercase();
        let domain = sender.rsplit_once('@').map(|(_, domain)| format!("@{domain}"));
        let tenant = message.tenant.to_string();
        let of_tenant = rules.limit(LimitScope::Tenant, [Some(tenant.as_str()), Some("*")]);
        let of_sender =
            rules.limit(LimitScope::Sender, [Some(sender.as_str()), domain.as_deref(), Some("*")]);
        let both = [(of_tenant, tenant.as_str()), (of_sender, sender.as_str())];
        let limits = both.into_iter().filter_map(|(row, name)| {
            let row = row?;
            let key = format!("{}:{name}", row.scope.name());
            let at_once = row.connections.map(|most| Limit { key, most });
            Some(SenderLimits { at_once, rate: rate(row, name) })
        });
        limits.collect()
    }
}

impl Rules {
    fn of(new: store::queue::Settings, retry: RetryPolicy, seal: Option<&Seal>) -> Self {
        let routes = new.routes.iter().map(|row| (row.pattern.clone(), way(row, retry, seal)));
        let limits = new.limits.into_iter();
        Self {
            version: new.version,
            routes: routes.collect(),
            limits: limits.map(|row| ((row.scope.name(), row.pattern.clone()), row)).collect(),
            default: Way::default(),
        }
    }

    /// The first that there is.
    fn limit<const N: usize>(
        &self,
        scope: LimitScope,
        names: [Option<&str>; N],
    ) -> Option<&LimitRow> {
        let get = |name: &str| self.limits.get(&(scope.name(), name.to_owned()));
        names.into_iter().flatten().find_map(get)
    }

    /// By the site's name, one of its hosts, or the domain; the most special pattern of each.
    fn site(&self, site: &str, domain: &str) -> Option<&LimitRow> {
        if self.limits.is_empty() {
            return None;
        }
        let get = |pattern: String| self.limits.get(&(LimitScope::Site.name(), pattern));
        let special = |name: &str| patterns(name).filter(|pattern| pattern != "*").find_map(get);
        let named = get(site.to_owned()).or_else(|| special(domain));
        named.or_else(|| site.split(',').find_map(special)).or_else(|| get("*".into()))
    }
}

/// What a name can be meant by, the most special first.
pub fn patterns(name: &str) -> impl Iterator<Item = String> {
    let mut parents = Vec::new();
    let mut rest = name;
    while let Some((_, parent)) = rest.split_once('.').filter(|_| !name.starts_with('[')) {
        parents.push(format!("*.{parent}"));
        rest = parent;
    }
    std::iter::once(name.to_owned()).chain(parents).chain(std::iter::once("*".to_owned()))
}

fn rate(row: &LimitRow, name: &str) -> Option<Rate> {
    let most = row.messages?;
    Some(Rate { key: format!("{}:{name}", row.scope.name()), most, per: row.per })
}

/// What a route's password is bound to.
pub fn purpose(row: &RouteRow) -> String {
    let (host, port) = row.relay.clone().unwrap_or_default();
    format!("route {} to {host}:{port} as {}", row.pattern, row.auth_user.as_deref().unwrap_or(""))
}

/// Who we are at a relay.
///
/// # Errors
/// The password cannot be read here.
pub fn credentials(row: &RouteRow, seal: Option<&Seal>) -> Result<Option<Credentials>, Closed> {
    let (Some(user), Some(sealed)) = (&row.auth_user, &row.auth_secret) else { return Ok(None) };
    let password = seal::open(seal, &purpose(row), sealed)?.expose_secret().to_owned();
    Ok(Some(Credentials { user: user.clone(), password }))
}

fn way(row: &RouteRow, default: RetryPolicy, seal: Option<&Seal>) -> Way {
    let verify = row.tls_verify;
    let (credentials, closed) = match credentials(row, seal) {
        Ok(credentials) => (credentials, None),
        Err(closed) => {
            let pattern = &row.pattern;
            tracing::error!(pattern, why = %closed, "a route's password cannot be read on this node: nothing goes that way");
            (None, Some(closed))
        }
    };
    let route = Route {
        hop: match &row.relay {
            Some((host, port)) => Hop::Relay { host: host.clone(), port: *port },
            None => Hop::Mx,
        },
        protocol: if row.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        tls: match row.tls {
            RouteTls::None => TlsPolicy::Never,
            RouteTls::Opportunistic if verify => TlsPolicy::StartTls { verify },
            RouteTls::Opportunistic => TlsPolicy::Opportunistic,
            RouteTls::StartTls => TlsPolicy::StartTls { verify },
            RouteTls::Implicit => TlsPolicy::Implicit { verify },
        },
        credentials,
    };
    let policy = row.retry.map(|retry| RetryPolicy {
        schedule: Schedule { first: retry.first, longest: retry.longest },
        expire: retry.expire,
        ..default
    });
    Way { route: Arc::new(route), policy, closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Option<Seal> {
        let key = Some("0a".repeat(32).into());
        Seal::of(&crate::config::SecretsConfig { key }).unwrap()
    }

    fn settings(routes: &[RouteRow], limits: &[LimitRow]) -> Settings {
        let settings = Settings::new(20, RetryPolicy::default(), seal());
        let new =
            store::queue::Settings { version: 1, routes: routes.to_vec(), limits: limits.to_vec() };
        let rules = Rules::of(new, RetryPolicy::default(), settings.seal.as_ref());
        *settings.rules.write().unwrap() = Some(Arc::new(rules));
        settings
    }

    fn route(pattern: &str, port: u16) -> RouteRow {
        let mut row = RouteRow {
            pattern: pattern.into(),
            relay: Some(("relay.test".into(), port)),
            lmtp: false,
            tls: RouteTls::StartTls,
            tls_verify: true,
            auth_user: Some("me".into()),
            auth_secret: None,
            retry: None,
        };
        let secret = "secret".to_owned().into();
        row.auth_secret = Some(seal().unwrap().seal(&purpose(&row), &secret).unwrap());
        row
    }

    #[test]
    fn a_password_is_for_its_route_only() {
        let good = route("a.test", 1);
        let found = credentials(&good, seal().as_ref()).unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.password.as_str()), ("me", "secret"));
        let elsewhere = RouteRow { relay: Some(("evil.test".into(), 1)), ..good.clone() };
        assert_eq!(credentials(&elsewhere, seal().as_ref()), Err(Closed::Broken));
        assert_eq!(credentials(&good, None), Err(Closed::NoKey));
        let way = settings(&[elsewhere], &[]).way("a.test").unwrap();
        assert_eq!((way.closed, &way.route.credentials), (Some(Closed::Broken), &None));
    }

    #[test]
    fn the_most_special_route_counts() {
        let all = [route("a.b.test", 1), route("*.b.test", 2), route("*.test", 3), route("*", 4)];
        let settings = settings(&all, &[]);
        let port = |domain: &str| match &settings.way(domain).unwrap().route.hop {
            Hop::Relay { port, .. } => *port,
            Hop::Mx => 0,
        };
        let ports =
            ["a.b.test", "x.b.test", "x.y.b.test", "b.test", "org", "[192.0.2.1]"].map(port);
        assert_eq!(ports, [1, 2, 2, 3, 4, 4]);
        let way = settings.way("org").unwrap();
        assert_eq!(way.route.tls, TlsPolicy::StartTls { verify: true });
        assert_eq!(way.route.credentials.as_ref().unwrap().user, "me");
    }

    #[test]
    fn nothing_leaves_before_the_routes_are_known() {
        assert!(Settings::new(20, RetryPolicy::default(), None).way("a.test").is_none());
        assert_eq!(settings(&[], &[]).way("a.test").unwrap().route.hop, Hop::Mx);
    }

    #[test]
    fn limits_by_site_host_or_domain() {
        let limit = |pattern: &str, connections| LimitRow {
            scope: LimitScope::Site,
            pattern: pattern.into(),
            connections: Some(connections),
            messages: None,
            per: Duration::from_secs(60),
        };
        let all = [
            limit("mx1.a.test,mx2.a.test", 1),
            limit("b.test", 2),
            limit("*.google.com", 3),
            limit("*", 4),
        ];
        let settings = settings(&[], &all);
        let rules = settings.rules().unwrap();
        let connections =
            |site: &str, domain: &str| rules.site(site, domain).unwrap().connections.unwrap();
        assert_eq!(connections("mx1.a.test,mx2.a.test", "x.test"), 1);
        assert_eq!(connections("mx.b.test", "b.test"), 2);
        assert_eq!(connections("a.l.google.com,b.l.google.com", "x.test"), 3);
        assert_eq!(connections("mx.x.test", "x.test"), 4);
    }
}
