//! A resolver for tests: a table, which can be told to lie.

use crate::{Addresses, MailHosts, Resolve, ResolveError, Tlsa, literal};
use async_trait::async_trait;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The table. What is not in it does not exist.
#[derive(Debug, Default)]
pub struct Zone {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    mail: HashMap<String, Result<MailHosts, ResolveError>>,
    hosts: HashMap<String, Result<Addresses, ResolveError>>,
    tlsa: HashMap<String, Result<Vec<Tlsa>, ResolveError>>,
    texts: HashMap<String, Result<Vec<String>, ResolveError>>,
    insecure: bool,
    any: Option<SocketAddr>,
    delay: Duration,
    asked: HashMap<String, usize>,
}

impl Zone {
    /// Nothing exists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A domain with these MX records.
    pub fn mx(&self, domain: &str, records: &[(u16, &str)]) {
        let records = records.iter().map(|(preference, host)| (*preference, (*host).to_owned()));
        let mut tables = self.tables();
        let secure = !tables.insecure;
        tables.mail.insert(domain.to_owned(), Ok(MailHosts::new(records, secure)));
    }

    /// A domain whose look-up fails.
    pub fn mx_fails(&self, domain: &str, error: ResolveError) {
        self.tables().mail.insert(domain.to_owned(), Err(error));
    }

    /// A host at these addresses; the port given here wins over the one asked for.
    pub fn host(&self, host: &str, list: &[SocketAddr]) {
        let mut tables = self.tables();
        let bases = if tables.insecure { Vec::new() } else { vec![host.to_owned()] };
        tables.hosts.insert(host.to_owned(), Ok(Addresses { list: list.to_vec(), bases }));
    }

    /// A host that is an alias of another name, which has these addresses.
    pub fn alias(&self, host: &str, of: &str, list: &[SocketAddr]) {
        let bases = vec![of.to_owned(), host.to_owned()];
        let found = Addresses { list: list.to_vec(), bases };
        self.tables().hosts.insert(host.to_owned(), Ok(found));
    }

    /// A domain without MX records, at this address; DNSSEC vouches for that.
    pub fn without_mx(&self, domain: &str, address: SocketAddr) {
        let secure = !self.tables().insecure;
        let hosts = MailHosts::new([(0, domain.to_owned())], secure);
        self.tables().mail.insert(domain.to_owned(), Ok(hosts));
        self.host(domain, &[address]);
    }

    /// A host whose look-up fails.
    pub fn host_fails(&self, host: &str, error: ResolveError) {
        self.tables().hosts.insert(host.to_owned(), Err(error));
    }

    /// A domain that is its own host.
    pub fn domain(&self, domain: &str, address: SocketAddr) {
        self.mx(domain, &[(10, domain)]);
        self.host(domain, &[address]);
    }

    /// A host's TLSA records.
    pub fn tlsa(&self, host: &str, records: Result<Vec<Tlsa>, ResolveError>) {
        self.tables().tlsa.insert(host.to_owned(), records);
    }

    /// A name's TXT records.
    pub fn texts(&self, name: &str, records: Result<Vec<String>, ResolveError>) {
        self.tables().texts.insert(name.to_owned(), records);
    }

    /// From now on DNSSEC vouches for nothing.
    pub fn insecure(&self) {
        self.tables().insecure = true;
    }

    /// Every domain that is not in the table is its own host at this address.
    pub fn everything_at(&self, address: SocketAddr) {
        self.tables().any = Some(address);
    }

    /// Every answer takes so long.
    pub fn slow(&self, delay: Duration) {
        self.tables().delay = delay;
    }

    /// How often a name was asked for.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.tables().asked.get(name).copied().unwrap_or(0)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, name: &str) {
        let delay = {
            let mut tables = self.tables();
            *tables.asked.entry(name.to_owned()).or_default() += 1;
            tables.delay
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

#[async_trait]
impl Resolve for Zone {
    async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, ResolveError> {
        self.ask(domain).await;
        if literal(domain).is_some() {
            return Ok(MailHosts::single(domain));
        }
        let tables = self.tables();
        let any = tables.any.map(|_| Ok(MailHosts::single(domain)));
        tables.mail.get(domain).cloned().or(any).unwrap_or(Err(ResolveError::NoDomain))
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Addresses, ResolveError> {
        self.ask(host).await;
        if let Some(ip) = literal(host).or_else(|| host.parse().ok()) {
            return Ok(Addresses { list: vec![SocketAddr::new(ip, port)], bases: Vec::new() });
        }
        let tables = self.tables();
        let any = tables.any.map(|at| Ok(Addresses { list: vec![at], bases: Vec::new() }));
        tables.hosts.get(host).cloned().or(any).unwrap_or(Err(ResolveError::NoAddress))
    }

    async fn tlsa(&self, host: &str, _port: u16) -> Result<Vec<Tlsa>, ResolveError> {
        self.tables().tlsa.get(host).cloned().unwrap_or_else(|| Ok(Vec::new()))
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        self.ask(name).await;
        self.tables().texts.get(name).cloned().unwrap_or(Err(ResolveError::NoDomain))
    }
}
