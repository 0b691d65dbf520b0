//! The real thing, by hickory-resolver: its cache, its retries, its DNSSEC.

use crate::config::ResolveConfig;
use crate::{
    Addresses, MAX_TEXTS, MAX_TLSA, MailHosts, Resolve, ResolveError, Tlsa, interleave, literal,
};
use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest that "there is no such thing" is believed: somebody may just be setting a domain up.
const MAX_NEGATIVE: Duration = Duration::from_secs(900);
/// Longest that an answer is believed.
const MAX_POSITIVE: Duration = Duration::from_secs(86_400);

/// Asks DNS servers.
pub struct Hickory {
    resolver: TokioResolver,
    dnssec: bool,
    ipv6: bool,
}

/// Answers, or none for a known reason.
type Found = Result<Lookup, ResolveError>;

impl Hickory {
    /// Reads the system's configuration unless servers are named.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn new(config: &ResolveConfig) -> Result<Self, String> {
        let failed = |error: NetError| format!("the DNS resolver cannot be set up: {error}");
        let mut builder = if config.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = config.servers.iter().map(|server| name_server(server.0)).collect();
            let servers = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        options(builder.options_mut(), config);
        if let Some(path) = config.trust_anchor.as_ref().filter(|_| config.dnssec) {
            let anchors = TrustAnchors::from_file(path);
            let anchors = anchors.map_err(|error| format!("{}: {error}", path.display()))?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        let resolver = builder.build().map_err(failed)?;
        Ok(Self { resolver, dnssec: config.dnssec, ipv6: config.ipv6 })
    }

    async fn lookup(&self, name: &str, kind: RecordType) -> Found {
        let name = Name::from_ascii(name).map_err(|_| ResolveError::BadName)?;
        let found = self.resolver.lookup(name, kind).await.map_err(|error| explain(&error))?;
        if found.answers().iter().any(|record| record.proof == Proof::Bogus && self.dnssec) {
            return Err(ResolveError::Bogus);
        }
        Ok(found)
    }

    async fn mx(&self, domain: &str) -> Result<MailHosts, ResolveError> {
        let found = match self.lookup(&format!("{domain}."), RecordType::MX).await {
            // "If an empty list of MXs is returned, the address is treated as if it was associated with an
            // implicit MX RR, with a preference of 0, pointing to that host" (RFC 5321 §5.1).
            Err(ResolveError::NoAddress) => return self.implicit(domain).await,
            other => other?,
        };
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
            _ => None,
        });
        let records: Vec<(u16, String)> = records.collect();
        if records.is_empty() {
            return self.implicit(domain).await;
        }
        // RFC 7505 §3: "a single MX RR … with an RDATA section consisting of preference number 0 and a
        // zero-length label". Roots among other records are no hosts either.
        let hosts: Vec<_> = records.into_iter().filter(|(_, host)| host != ".").collect();
        if hosts.is_empty() {
            return Err(ResolveError::NoMail);
        }
        let other = target(&found, domain).filter(|_| self.is_secure(&found));
        Ok(MailHosts::new(hosts, self.is_secure(&found)).alias_of(other))
    }

    /// "A next-hop destination domain … that has no MX records. In this case, the domain's name is implicitly also its
    /// sole SMTP server name" (RFC 7672 §2.2.2), and as secure as its addresses are.
    async fn implicit(&self, domain: &str) -> Result<MailHosts, ResolveError> {
        let found = self.addresses(domain, 25).await?;
        Ok(MailHosts::new([(0, domain.to_owned())], !found.bases.is_empty()))
    }

    /// A name with a dot is complete; a relay called `mailhost` may be found in the search list.
    fn complete(host: &str) -> String {
        if host.contains('.') && !host.ends_with('.') {
            format!("{host}.")
        } else {
            host.to_owned()
        }
    }

    fn is_secure(&self, found: &Lookup) -> bool {
        let answers = found.answers();
        self.dnssec && !answers.is_empty() && answers.iter().all(|record| record.proof.is_secure())
    }

    /// RFC 7672 §2.2.2: of a secure alias the name it stands for and then itself; itself where only the alias is secure
    /// and not what it stands for.
    fn bases(&self, host: &str, sets: &[&Lookup]) -> Vec<String> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if sets.iter().all(|found| self.is_secure(found)) {
            let canonical = sets.iter().find_map(|found| target(found, &host));
            return canonical.into_iter().chain([host]).collect();
        }
        let is_first = |record: &&Record| {
            matches!(record.data, RData::CNAME(_)) && plain(&record.name) == host
        };
        let secure = |found: &&Lookup| {
            found.answers().iter().find(is_first).is_some_and(|alias| alias.proof.is_secure())
        };
        if self.dnssec && sets.iter().all(secure) { vec![host] } else { Vec::new() }
    }
}

#[async_trait]
impl Resolve for Hickory {
    async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, ResolveError> {
        if domain.starts_with('[') {
            return literal(domain).map(|_| MailHosts::single(domain)).ok_or(ResolveError::BadName);
        }
        self.mx(domain).await
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Addresses, ResolveError> {
        if let Some(ip) = literal(host).or_else(|| host.parse().ok()) {
            let list = vec![SocketAddr::new(ip, port)];
            return Ok(Addresses { list, bases: Vec::new() });
        }
        let name = Self::complete(host);
        let aaaa = async {
            match self.ipv6 {
                true => self.lookup(&name, RecordType::AAAA).await,
                false => Err(ResolveError::NoAddress),
            }
        };
        let (six, four) = tokio::join!(aaaa, self.lookup(&name, RecordType::A));
        let v6 = each(&six, |data| if let RData::AAAA(ip) = data { Some(ip.0) } else { None });
        let v4 = each(&four, |data| if let RData::A(ip) = data { Some(ip.0) } else { None });
        let list: Vec<_> =
            interleave(&v6, &v4).into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        if list.is_empty() {
            return Err(nothing(six.err(), four.err()));
        }
        let sets: Vec<&Lookup> = [&six, &four].into_iter().flatten().collect();
        Ok(Addresses { list, bases: self.bases(host, &sets) })
    }

    async fn tlsa(&self, host: &str, port: u16) -> Result<Vec<Tlsa>, ResolveError> {
        if !self.dnssec || literal(host).is_some() {
            return Ok(Vec::new());
        }
        let name = format!("_{port}._tcp.{}.", host.trim_end_matches('.'));
        let found = match self.lookup(&name, RecordType::TLSA).await {
            Err(ResolveError::NoDomain | ResolveError::NoAddress) => return Ok(Vec::new()),
            other => other?,
        };
        if !self.is_secure(&found) {
            return Ok(Vec::new());
        }
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        });
        Ok(records.take(MAX_TLSA).collect())
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        let found = self.lookup(&format!("{name}."), RecordType::TXT).await?;
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(records.take(MAX_TEXTS).collect())
    }
}

/// As names are compared here.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// What a name is an alias of in the end, if it is one.
fn target(found: &Lookup, name: &str) -> Option<String> {
    let aliases: Vec<(String, String)> = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::CNAME(to) => Some((plain(&record.name), plain(to))),
            _ => None,
        })
        .collect();
    let start = name.trim_end_matches('.').to_ascii_lowercase();
    let mut at = start.as_str();
    // Each alias is gone through once: a ring of them ends.
    for _ in 0..aliases.len() {
        let Some((_, to)) = aliases.iter().find(|(from, _)| from == at) else { break };
        at = to;
    }
    (at != start).then(|| at.to_owned())
}

fn each<T>(found: &Found, take: impl Fn(&RData) -> Option<T>) -> Vec<T> {
    let answers = found.as_ref().map(Lookup::answers).unwrap_or_default();
    answers.iter().filter_map(|record| take(&record.data)).collect()
}

/// Both families gave nothing: whoever could not tell decides, for the other may come back with it.
fn nothing(six: Option<ResolveError>, four: Option<ResolveError>) -> ResolveError {
    let mut both = [four, six].into_iter().flatten();
    let first = both.next().unwrap_or(ResolveError::NoAddress);
    match both.next() {
        Some(other) if other.is_temporary() => other,
        _ => first,
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn options(options: &mut ResolverOpts, config: &ResolveConfig) {
    options.timeout = Duration::from_millis(config.timeout_ms);
    options.attempts = 2;
    options.edns0 = true;
    options.validate = config.dnssec;
    options.cache_size = config.cache_entries;
    options.negative_max_ttl = Some(MAX_NEGATIVE);
    options.positive_max_ttl = Some(MAX_POSITIVE);
    options.try_tcp_on_error = true;
    options.max_active_requests = 512;
}

/// "There is none" and "I cannot tell" apart.
fn explain(error: &NetError) -> ResolveError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => absent(none.response_code),
        NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, .. } | DnsError::DnssecBogus) => {
            ResolveError::Bogus
        }
        NetError::Dns(DnsError::Nsec { response, .. }) => absent(response.response_code),
        other => ResolveError::Unavailable(other.to_string()),
    }
}

fn absent(code: ResponseCode) -> ResolveError {
    match code {
        ResponseCode::NXDomain => ResolveError::NoDomain,
        ResponseCode::NoError => ResolveError::NoAddress,
        other => ResolveError::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod signed_tests;
#[cfg(test)]
mod tests;
