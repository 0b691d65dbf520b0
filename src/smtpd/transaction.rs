//! One message: from MAIL to the answer to its end.

use crate::Shared;
use crate::header::HeaderWatch;
use crate::verdict;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use directory::{DirectoryError, Login, Lookup, Target};
use ingest::{Delivered, Envelope, Incoming, IngestError, Recipient, Remote};
use net::{Place, TlsInfo};
use serde_json::{Map, Value, json};
use smtp::{
    Body, ContentVerdict, DataVerdict, ForwardPath, Mail, MailVerdict, Rcpt, RcptVerdict, Received,
    Ret, Role,
};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;
use types::{AddressError, Destination, EmailAddress, TenantId};

/// Most accounts of one message, aliases followed; bounds what its envelope holds.
const MOST_ACCOUNTS: usize = 10_000;
/// Most header octets held back on submission while it is not known what is missing.
const MOST_HELD: usize = 64 * 1024;

/// Messages up to this are small change for the memory budget.
const LARGE: u64 = 256 * 1024;

/// Who is on the other side.
pub(crate) struct Client<'a> {
    pub(crate) role: Role,
    pub(crate) peer: IpAddr,
    pub(crate) tls: Option<&'a TlsInfo>,
    pub(crate) login: Option<&'a Login>,
    pub(crate) helo: &'a str,
    pub(crate) extended: bool,
}

/// A message under way.
pub(crate) struct Transaction {
    mail: Mail,
    sender: String,
    recipients: Vec<Accepted>,
    /// Those of other servers, with their parameters.
    elsewhere: HashSet<String>,
    accounts: usize,
    incoming: Option<Incoming>,
    /// Who is counted when the message is large.
    counted: Option<IpAddr>,
    place: Option<Place>,
    /// Why the message will not be taken; the rest of it is let pass.
    failed: Option<ContentVerdict>,
    header: HeaderWatch,
    /// Octets over 127 came, whatever BODY said.
    eight_bit: bool,
    /// Submission: the header until its end is seen.
    held: Option<BytesMut>,
    begun: Instant,
}

/// A recipient that was accepted at RCPT.
struct Accepted {
    path: String,
    to: To,
    parameters: Value,
}

/// Where it goes.
enum To {
    /// Accounts of ours.
    Here(Vec<Target>),
    /// Another server, at the expense of this tenant.
    Elsewhere(Destination, TenantId),
}

impl To {
    fn targets(&self) -> &[Target] {
        match self {
            Self::Here(targets) => targets,
            Self::Elsewhere(..) => &[],
        }
    }
}

impl Shared {
    /// MAIL: a transaction, or why not.
    pub(crate) async fn mail(
        &self,
        mail: Mail,
        client: &Client<'_>,
    ) -> Result<Transaction, MailVerdict> {
        self.ingest.ready().map_err(|error| verdict::mail(&error))?;
        let sender = mail.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        if client.role == Role::Submission {
            self.check_sender(&mail, client).await?;
        }
        Ok(Transaction {
            mail,
            sender,
            recipients: Vec::new(),
            elsewhere: HashSet::new(),
            accounts: 0,
            incoming: None,
            counted: (client.role != Role::Lmtp).then_some(client.peer),
            place: None,
            failed: None,
            header: HeaderWatch::default(),
            eight_bit: false,
            held: None,
            begun: Instant::now(),
        })
    }

    /// On submission the reverse-path has to be the user's own (RFC 6409 §6.1). The null reverse-path is
    /// nobody's: user agents send receipts with it (RFC 8098 §2).
    async fn check_sender(&self, mail: &Mail, client: &Client<'_>) -> Result<(), MailVerdict> {
        let Some(path) = &mail.reverse_path else { return Ok(()) };
        let login = client.login.ok_or(MailVerdict::NotYours)?;
        let address = EmailAddress::from_parts(&path.local_part, &path.domain)
            .map_err(|_| MailVerdict::NotYours)?;
        match self.directory.may_send_as(login.account, &address).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailVerdict::NotYours),
            Err(error) => {
                tracing::debug!(%error, "a sender could not be looked up");
                Err(MailVerdict::Unavailable)
            }
        }
    }

    /// RCPT.
    pub(crate) async fn rcpt(
        &self,
        transaction: &mut Transaction,
        rcpt: Rcpt,
        role: Role,
        login: Option<&Login>,
    ) -> RcptVerdict {
        let found = match &rcpt.forward_path {
            ForwardPath::Postmaster => self.directory.postmaster(self.config.hostname()).await,
            ForwardPath::Path(path) => {
                match EmailAddress::from_parts(&path.local_part, &path.domain) {
                    Ok(address) => self.directory.recipient(&address).await,
                    // An address literal or a name that no domain of ours can have.
                    Err(AddressError::Domain) => Ok(Lookup::NotOurs),
                    Err(_) => self.whose(&path.domain).await,
                }
            }
        };
        if let (Ok(Lookup::NotOurs), Some(login)) = (&found, login)
            && role == Role::Submission
            && self.config.outbound
        {
            return transaction.elsewhere(rcpt, login);
        }
        let verdict = verdict::rcpt(&found, role);
        match found {
            Ok(Lookup::Accounts(targets)) if verdict == RcptVerdict::Ok => {
                if transaction.accounts + targets.len() > MOST_ACCOUNTS {
                    return RcptVerdict::TooMany;
                }
                transaction.accounts += targets.len();
                transaction.recipients.push(Accepted {
                    path: rcpt.forward_path.to_string(),
                    parameters: rcpt_parameters(&rcpt),
                    to: To::Here(targets),
                });
            }
            Err(error) => tracing::debug!(%error, "a recipient could not be looked up"),
            _ => {}
        }
        verdict
    }

    /// Of a local part that nobody here can have, `"a b"` say. Only its own server knows what it means (RFC 5321 §2.3.11).
    async fn whose(&self, domain: &str) -> Result<Lookup, DirectoryError> {
        let Ok(domain) = EmailAddress::normalise_domain(domain) else { return Ok(Lookup::NotOurs) };
        let ours = self.directory.is_ours(&domain).await?;
        Ok(if ours { Lookup::Unknown } else { Lookup::NotOurs })
    }

    /// DATA or the first BDAT: the trace fields go in before the client's octets.
    pub(crate) async fn data(
        &self,
        transaction: &mut Transaction,
        client: &Client<'_>,
    ) -> DataVerdict {
        let mut incoming = match self.ingest.begin(transaction.mail.size) {
            Ok(incoming) => incoming,
            Err(error) => return verdict::data(&error),
        };
        let id = incoming.id().to_string();
        let now = Utc::now();
        let fields = self.trace(transaction, client, &id, now);
        if let Err(error) = incoming.write(fields.into()).await {
            return verdict::data(&error);
        }
        transaction.incoming = Some(incoming);
        transaction.failed = None;
        transaction.header = HeaderWatch::default();
        transaction.eight_bit = false;
        transaction.held = (client.role == Role::Submission).then(BytesMut::new);
        transaction.begun = Instant::now();
        DataVerdict::Go
    }

    fn trace(
        &self,
        transaction: &Transaction,
        client: &Client<'_>,
        id: &str,
        now: DateTime<Utc>,
    ) -> String {
        let only = match transaction.recipients.as_slice() {
            [only] => Some(only.path.as_str()),
            _ => None,
        };
        let received = smtp::received(&Received {
            role: client.role,
            helo: client.helo,
            extended: client.extended,
            peer: client.peer,
            tls: client.tls.map(|tls| (tls.version.as_str(), tls.cipher.as_str())),
            authenticated: client.login.is_some(),
            smtputf8: transaction.mail.smtputf8,
            by: self.config.hostname(),
            id,
            only_recipient: only,
            date: &now.to_rfc2822(),
        });
        smtp::return_path(&transaction.sender) + &received
    }

    /// The end of the message: one verdict, for LMTP one per recipient.
    pub(crate) async fn content_end(
        &self,
        mut transaction: Transaction,
        client: &Client<'_>,
    ) -> Vec<ContentVerdict> {
        let answers = if client.role == Role::Lmtp { transaction.recipients.len() } else { 1 };
        if let Some(held) = transaction.held.take() {
            self.release(&mut transaction, held).await;
        }
        let refusal = match (transaction.failed.take(), transaction.incoming.take()) {
            (None, Some(incoming)) => {
                let (id, size) = (incoming.id().to_string(), incoming.size());
                match incoming.deliver(transaction.envelope()).await {
                    Ok(delivered) => {
                        let verdicts = transaction.verdicts(&delivered, &id, client.role);
                        transaction.log(&id, size, &delivered, client);
                        return verdicts;
                    }
                    Err(error) => refused(&error),
                }
            }
            (Some(refusal), _) => refusal,
            (None, None) => ContentVerdict::Unavailable,
        };
        count(client.role, "refused");
        vec![refusal; answers]
    }

    /// A piece of the message.
    pub(crate) async fn content(&self, transaction: &mut Transaction, piece: Bytes) {
        if transaction.failed.is_some() {
            return;
        }
        transaction.eight_bit |= !piece.is_ascii();
        if !transaction.header.ended {
            transaction.header.feed(&piece);
            // RFC 5321 §6.3: "Simple counting of the number of Received: header fields in a message".
            if transaction.header.received > self.config.max_hops {
                return transaction.fail(ContentVerdict::Loop);
            }
        }
        if !self.has_room(transaction) {
            return transaction.fail(ContentVerdict::Busy);
        }
        let Some(mut held) = transaction.held.take() else { return transaction.write(piece).await };
        held.extend_from_slice(&piece);
        if transaction.header.ended || held.len() > MOST_HELD {
            self.release(transaction, held).await;
        } else {
            transaction.held = Some(held);
        }
    }

    /// Whether the message is small, or one of the few large ones that its client may have under way.
    fn has_room(&self, transaction: &mut Transaction) -> bool {
        let large = transaction.incoming.as_ref().is_some_and(|incoming| incoming.size() > LARGE);
        let Some(client) = transaction.counted.filter(|_| large && transaction.place.is_none())
        else {
            return true;
        };
        transaction.place = self.large.enter(client, self.config.max_large_per_ip);
        if transaction.place.is_none() {
            tracing::warn!(%client, "too many large messages at once from one client");
        }
        transaction.place.is_some()
    }

    /// Lets the held header go, behind the fields that it lacks (RFC 6409 §8.2 and §8.3).
    async fn release(&self, transaction: &mut Transaction, held: BytesMut) {
        let Some(incoming) = &transaction.incoming else { return };
        let mut fields = String::new();
        if transaction.header.ended && !transaction.header.date {
            fields += &format!("Date: {}\r\n", Utc::now().to_rfc2822());
        }
        if transaction.header.ended && !transaction.header.message_id {
            fields += &format!("Message-ID: <{}@{}>\r\n", incoming.id(), self.config.hostname());
        }
        if !fields.is_empty() {
            transaction.write(fields.into()).await;
        }
        transaction.write(held.freeze()).await;
    }
}

impl Transaction {
    /// A recipient of another server, from a user of ours.
    fn elsewhere(&mut self, rcpt: Rcpt, login: &Login) -> RcptVerdict {
        let ForwardPath::Path(path) = &rcpt.forward_path else { return RcptVerdict::UnknownUser };
        let Some(destination) = destination(&path.domain) else {
            return RcptVerdict::BadDomain;
        };
        if self.accounts >= MOST_ACCOUNTS {
            return RcptVerdict::TooMany;
        }
        let (path, parameters) = (rcpt.forward_path.to_string(), rcpt_parameters(&rcpt));
        // Whoever is named twice gets it once.
        if !self.elsewhere.insert(format!("{path} {parameters}")) {
            return RcptVerdict::Ok;
        }
        self.accounts += 1;
        let to = To::Elsewhere(destination, login.tenant);
        self.recipients.push(Accepted { path, parameters, to });
        RcptVerdict::Ok
    }

    /// The message is void: nothing of it is kept.
    pub(crate) fn void(&mut self) {
        self.incoming = None;
        self.held = None;
        self.place = None;
    }

    #[cfg(test)]
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    async fn write(&mut self, piece: Bytes) {
        if let Some(incoming) = &mut self.incoming
            && let Err(error) = incoming.write(piece).await
        {
            self.fail(refused(&error));
        }
    }

    fn fail(&mut self, why: ContentVerdict) {
        self.failed = Some(why);
        self.void();
    }

    fn envelope(&mut self) -> Envelope {
        let mut envelope = Envelope {
            reverse_path: self.sender.clone(),
            parameters: mail_parameters(&self.mail, self.eight_bit, self.header.tls_is_optional()),
            content_offset: smtp::return_path(&self.sender).len() as u32,
            ..Envelope::default()
        };
        for accepted in &self.recipients {
            match &accepted.to {
                To::Here(targets) => {
                    envelope.recipients.extend(targets.iter().map(|target| Recipient {
                        account: target.account,
                        tenant: target.tenant,
                        forward_path: accepted.path.clone(),
                        parameters: accepted.parameters.clone(),
                    }));
                }
                To::Elsewhere(destination, tenant) => envelope.remote.push(Remote {
                    destination: destination.clone(),
                    tenant: *tenant,
                    forward_path: accepted.path.clone(),
                    parameters: accepted.parameters.clone(),
                }),
            }
        }
        envelope
    }

    fn verdicts(&self, delivered: &[Delivered], id: &str, role: Role) -> Vec<ContentVerdict> {
        if role != Role::Lmtp {
            let queued = self.recipients.iter().any(|one| matches!(one.to, To::Elsewhere(..)));
            return vec![verdict::delivered(delivered, queued, id)];
        }
        let mut rest = delivered;
        self.recipients
            .iter()
            .map(|accepted| {
                let (mine, others) = rest.split_at(accepted.to.targets().len().min(rest.len()));
                rest = others;
                verdict::delivered(mine, false, id)
            })
            .collect()
    }

    fn log(&self, id: &str, size: u64, delivered: &[Delivered], client: &Client<'_>) {
        let queued = delivered.iter().filter(|one| **one == Delivered::Queued).count();
        let elsewhere = self.recipients.iter();
        let elsewhere = elsewhere.filter(|one| matches!(one.to, To::Elsewhere(..))).count();
        count(client.role, "accepted");
        metrics::histogram!("postrider_smtp_message_seconds").record(self.begun.elapsed());
        tracing::info!(
            %id,
            size,
            from = self.sender,
            recipients = self.recipients.len(),
            accounts = delivered.len(),
            elsewhere,
            queued,
            client = %client.peer,
            user = client.login.map(|login| login.address.as_str()),
            tls = client.tls.is_some(),
            ms = self.begun.elapsed().as_millis() as u64,
            "message accepted"
        );
    }
}

fn refused(error: &IngestError) -> ContentVerdict {
    tracing::warn!(%error, "a message was not taken");
    verdict::content(error)
}

fn count(role: Role, outcome: &'static str) {
    let role = match role {
        Role::Smtp => "smtp",
        Role::Submission => "submission",
        Role::Lmtp => "lmtp",
    };
    metrics::counter!("postrider_smtp_messages_total", "role" => role, "outcome" => outcome)
        .increment(1);
}

/// Of a domain, or of an address literal (RFC 5321 §4.1.3), which is looked up as it is.
fn destination(domain: &str) -> Option<Destination> {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let v6 = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        let known = match v6 {
            Some(tag) => literal[tag.len()..].parse::<Ipv6Addr>().is_ok(),
            None => literal.parse::<Ipv4Addr>().is_ok(),
        };
        return known.then(|| Destination::new(domain));
    }
    EmailAddress::normalise_domain(domain).ok().map(|domain| Destination::new(&domain))
}

/// Parameters of MAIL that matter to whoever sends the message on or reports its fate.
/// `eight_bit`: what came, as many clients do not say it, and servers without 8BITMIME must not get it (RFC 6152 §3).
/// `tls_optional`: what the header says; "If the REQUIRETLS MAIL FROM parameter is specified, the TLS-Required header
/// field MUST be ignored" (RFC 8689 §4.1).
fn mail_parameters(mail: &Mail, eight_bit: bool, tls_optional: bool) -> Value {
    let mut all = Map::new();
    match mail.body {
        Body::SevenBit if eight_bit => drop(all.insert("body".into(), json!("8bitmime"))),
        Body::SevenBit => {}
        Body::EightBitMime => drop(all.insert("body".into(), json!("8bitmime"))),
        Body::BinaryMime => drop(all.insert("body".into(), json!("binarymime"))),
    }
    if mail.smtputf8 {
        all.insert("smtputf8".into(), json!(true));
    }
    if mail.require_tls {
        all.insert("requiretls".into(), json!(true));
    } else if tls_optional {
        all.insert("tlsoptional".into(), json!(true));
    }
    match mail.ret {
        None => {}
        Some(Ret::Full) => drop(all.insert("ret".into(), json!("full"))),
        Some(Ret::Hdrs) => drop(all.insert("ret".into(), json!("hdrs"))),
    }
    if let Some(id) = &mail.envelope_id {
        all.insert("envid".into(), json!(id));
    }
    Value::Object(all)
}

/// The same of RCPT; null for none.
fn rcpt_parameters(rcpt: &Rcpt) -> Value {
    let mut all = Map::new();
    if let Some(notify) = rcpt.notify {
        let words = [
            (notify.never, "never"),
            (notify.success, "success"),
            (notify.failure, "failure"),
            (notify.delay, "delay"),
        ];
        let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        all.insert("notify".into(), json!(words));
    }
    if let Some((kind, address)) = &rcpt.original {
        all.insert("orcpt".into(), json!([kind, address]));
    }
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}
