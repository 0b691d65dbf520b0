//! The job that writes delivery status notifications (RFC 3461, RFC 3464).
//!
//! A recipient whose end is known and whose sender wants to hear of it stays in the queue until its report is out.
//! A report is a message like any other, delivered here or queued for elsewhere, in the one transaction that also
//! settles what it reports: so it is written once however many nodes try, and never lost. It has the null
//! reverse-path, and nothing is ever owed to that.

use crate::{Envelope, Ingest, IngestError, Recipient, Remote};
use blob::{BlobError, ObjectKey, get_bytes};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use directory::{Directory, DirectoryError, Lookup};
use message::dsn::{About, Action, Report, Return, Written, write};
use serde_json::{Value, json};
use std::time::Duration;
use store::StoreError;
use store::account::ReportOf;
use store::lease::job_lease_take;
use store::queue::{
    OwedRecipient, OwedReport, report_delayed, report_due, report_postpone, report_waive,
};
use types::{Destination, EmailAddress, Incarnation};

/// Which node does it.
const JOB: &str = "queue-reports";
/// For so long at a time, in seconds.
const LEASE_SECONDS: f64 = 15.0;
/// Between two looks of the node that does it; of the others.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// So long a message's first result waits for those of its other recipients, to be told together.
const PATIENCE: Duration = Duration::from_secs(20);
/// Wait of a report that cannot be written for a reason of its own, so that it does not hold up the others.
const AGAIN: Duration = Duration::from_secs(300);
/// Messages per look.
const BATCH: u32 = 50;
/// A message up to this size goes back whole where that is wanted; of others, the beginning with the header.
const WHOLE: u64 = 100 * 1024;
const BEGINNING: u64 = 64 * 1024;
/// What we ourselves put before the report.
const RETURN_PATH: &str = "Return-Path: <>\r\n";

/// Who writes reports.
#[derive(Clone)]
pub struct Reporter {
    ingest: Ingest,
    directory: Directory,
    node: Incarnation,
    hostname: String,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Written,
    /// There was nobody to tell.
    Waived,
    /// Somebody else did it.
    Elsewhere,
}

/// Why one has to wait.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("{0}")]
    Directory(DirectoryError),
}

impl Failed {
    /// Nothing is away: it is this report that cannot be written.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Ingest(error) => matches!(error, IngestError::Bug(_) | IngestError::TooLarge),
            Self::Store(error) => !error.is_temporary(),
            Self::Blob(error) => !error.is_outage(),
            Self::Directory(_) => false,
        }
    }
}

impl Reporter {
    /// `hostname`: whom reports are from.
    #[must_use]
    pub fn new(ingest: Ingest, directory: Directory, node: Incarnation, hostname: &str) -> Self {
        Self { ingest, directory, node, hostname: hostname.to_owned() }
    }

    /// Works for ever. Safe to abort at any await.
    pub async fn run(self) {
        loop {
            let pause = match self.pass().await {
                Ok(true) => LOOK_EVERY,
                Ok(false) => WATCH_EVERY,
                Err(error) => {
                    tracing::debug!(%error, "reports have to wait");
                    WATCH_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One look. `false`: another node does it.
    async fn pass(&self) -> Result<bool, StoreError> {
        let store = &self.ingest.inner.store;
        if !job_lease_take(store, JOB, self.node, LEASE_SECONDS).await? {
            return Ok(false);
        }
        let mut owed = report_due(store, PATIENCE, BATCH).await?;
        owed.extend(report_delayed(store, BATCH).await?);
        for report in owed {
            let (kind, id) = (if report.delayed { "delayed" } else { "settled" }, report.blob);
            match self.write(&report).await {
                Ok(done) => {
                    metrics::counter!("postrider_queue_reports_total", "kind" => kind, "outcome" => name(done))
                        .increment(1);
                }
                Err(error) => {
                    metrics::counter!("postrider_queue_reports_total", "kind" => kind, "outcome" => "failed")
                        .increment(1);
                    tracing::warn!(%id, %error, "a report could not be written");
                    if !error.is_its_own() {
                        // Whatever is away is away for the others too.
                        break;
                    }
                    let ReportOf { settled, delayed, .. } = self.report_of(&report);
                    report_postpone(store, &settled, &delayed, AGAIN).await?;
                }
            }
        }
        Ok(true)
    }

    async fn write(&self, owed: &OwedReport) -> Result<Done, Failed> {
        if owed.recipients.is_empty() {
            return self.waive(owed, "nobody wants to hear of it").await;
        }
        let Some(mut envelope) = self.sender(owed).await.map_err(Failed::Directory)? else {
            tracing::info!(id = %owed.blob, to = owed.reverse_path, "there is nobody to report to");
            return self.waive(owed, "the sender does not exist").await;
        };
        let owed = &told(owed, !envelope.remote.is_empty());
        if owed.recipients.is_empty() {
            return self
                .waive(owed, "of a delay here only our own users hear without asking")
                .await;
        }
        let (original, whole) = match self.original(owed).await {
            // Better a report without it than none.
            Err(BlobError::NotFound(_) | BlobError::Corrupt(_)) => (Bytes::new(), false),
            other => other?,
        };
        let written = self.report(owed, &original, whole);
        envelope.parameters = json!({ "smtputf8": written.smtputf8 });
        // "All non-delivery messages resulting from messages with the REQUIRETLS SMTP option … MUST also specify the
        // REQUIRETLS SMTP option" (RFC 8689 §5); §6 of the other wish.
        for wish in ["requiretls", "tlsoptional"] {
            if is_set(&owed.mail_parameters, wish) {
                envelope.parameters[wish] = true.into();
            }
        }
        if written.eight_bit {
            envelope.parameters["body"] = "8bitmime".into();
        }
        let mut incoming = self.ingest.begin(Some(written.bytes.len() as u64))?;
        let id = incoming.id();
        incoming.write(Bytes::from_static(RETURN_PATH.as_bytes())).await?;
        incoming.write(written.bytes.into()).await?;
        match incoming.deliver_report(envelope, self.report_of(owed)).await? {
            Some(_) => {
                tracing::info!(%id, about = %owed.blob, to = owed.reverse_path, delayed = owed.delayed, "report written");
                Ok(Done::Written)
            }
            None => Ok(Done::Elsewhere),
        }
    }

    fn report_of(&self, owed: &OwedReport) -> ReportOf {
        let (node, mut settled, mut delayed) = (self.node, Vec::new(), Vec::new());
        if owed.delayed {
            delayed.push(owed.queue);
        } else {
            settled.extend(owed.recipients.iter().map(|recipient| recipient.id));
        }
        ReportOf { node, settled, delayed }
    }

    async fn waive(&self, owed: &OwedReport, why: &str) -> Result<Done, Failed> {
        let ReportOf { settled, delayed, .. } = self.report_of(owed);
        let store = &self.ingest.inner.store;
        match report_waive(store, self.node, &settled, &delayed, why).await {
            Ok(()) => Ok(Done::Waived),
            Err(StoreError::Refused(_)) => Ok(Done::Elsewhere),
            Err(error) => Err(error.into()),
        }
    }

    /// Where the report goes. `None`: the sender is one of ours and does not exist.
    async fn sender(&self, owed: &OwedReport) -> Result<Option<Envelope>, DirectoryError> {
        let to = &owed.reverse_path;
        let (remote, recipients) = match EmailAddress::parse(to) {
            Ok(address) => match self.directory.recipient(&address).await? {
                Lookup::Accounts(targets) => {
                    let recipient = |target: directory::Target| Recipient {
                        account: target.account,
                        tenant: target.tenant,
                        forward_path: to.clone(),
                        parameters: Value::Null,
                    };
                    (Vec::new(), targets.into_iter().map(recipient).collect())
                }
                Lookup::Unknown | Lookup::Disabled => return Ok(None),
                Lookup::NotOurs => (vec![elsewhere(owed, address.domain())], Vec::new()),
            },
            // An address literal, or a local part that only its own server understands.
            Err(_) => match to.rsplit_once('@') {
                Some((_, domain)) => (vec![elsewhere(owed, domain)], Vec::new()),
                None => return Ok(None),
            },
        };
        let content_offset = RETURN_PATH.len() as u32;
        Ok(Some(Envelope { recipients, remote, content_offset, ..Envelope::default() }))
    }

    /// As much of the message as may go back, and whether that is all of it.
    async fn original(&self, owed: &OwedReport) -> Result<(Bytes, bool), BlobError> {
        let size = owed.size.saturating_sub(owed.content_offset);
        let wants_all = wanted_back(owed) == Some(Return::Full) && size <= WHOLE;
        let wanted = if wants_all { size } else { size.min(BEGINNING) };
        if wanted == 0 {
            return Ok((Bytes::new(), true));
        }
        let begin = owed.offset + owed.content_offset;
        let key = ObjectKey::parse(&owed.object_key)?;
        let blob = self.ingest.inner.blob.as_ref();
        Ok((get_bytes(blob, &key, begin..begin + wanted).await?, wanted == size))
    }

    fn dates(&self, owed: &OwedReport, one: &OwedRecipient) -> Dates {
        let expire = chrono::Duration::from_std(self.ingest.inner.config.expire).ok();
        let expires = expire.and_then(|expire| owed.received_at.checked_add_signed(expire));
        Dates::of(one.at, one.expires_at.or(expires), owed.delayed)
    }

    fn report(&self, owed: &OwedReport, original: &[u8], whole: bool) -> Written {
        let now = Utc::now();
        let dates: Vec<Dates> = owed.recipients.iter().map(|one| self.dates(owed, one)).collect();
        let recipients = owed.recipients.iter().zip(&dates);
        let about: Vec<About<'_>> =
            recipients.map(|(one, dates)| about(one, dates, owed.delayed)).collect();
        let mail = &owed.mail_parameters;
        let from = format!("postmaster@{}", self.hostname);
        let unique = types::BlobId::new().0.simple().to_string();
        write(&Report {
            reporting_mta: &self.hostname,
            from: &from,
            to: &owed.reverse_path,
            date: &now.to_rfc2822(),
            message_id: &format!("{unique}@{}", self.hostname),
            boundary: &unique,
            arrival: Some(&owed.received_at.to_rfc2822()),
            envelope_id: text(mail, "envid"),
            ret: wanted_back(owed),
            smtputf8: is_set(mail, "smtputf8"),
            about: &about,
            original,
            original_is_whole: whole,
        })
    }
}

fn name(done: Done) -> &'static str {
    match done {
        Done::Written => "written",
        Done::Waived => "waived",
        Done::Elsewhere => "elsewhere",
    }
}

fn elsewhere(owed: &OwedReport, domain: &str) -> Remote {
    Remote {
        destination: Destination::new(domain),
        tenant: owed.tenant,
        forward_path: owed.reverse_path.clone(),
        parameters: Value::Null,
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn is_set(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// "If both RET=FULL and REQUIRETLS are present, the RET=FULL MUST be disregarded" (RFC 8689 §5).
fn wanted_back(owed: &OwedReport) -> Option<Return> {
    match text(&owed.mail_parameters, "ret") {
        _ if is_set(&owed.mail_parameters, "requiretls") => Some(Return::Header),
        Some("full") => Some(Return::Full),
        Some("hdrs") => Some(Return::Header),
        _ => None,
    }
}

/// Whom a report is about. Mail from elsewhere may have a forged sender, who is not to hear of each full mailbox here
/// that somebody else wrote to, unless NOTIFY=DELAY asks for it ("it MAY issue a 'delayed' DSN", RFC 3461 §5.2.5).
fn told(owed: &OwedReport, elsewhere: bool) -> OwedReport {
    let mut owed = owed.clone();
    if owed.delayed && elsewhere {
        let waits_elsewhere = |one: &OwedRecipient| one.expires_at.is_some();
        owed.recipients
            .retain(|one| waits_elsewhere(one) || one.parameters.get("notify").is_some());
    }
    owed
}

/// Dates as they are written.
struct Dates {
    last_attempt: Option<String>,
    retry_until: Option<String>,
}

impl Dates {
    fn of(at: DateTime<Utc>, expires: Option<DateTime<Utc>>, delayed: bool) -> Self {
        let written = |at: DateTime<Utc>| at.to_rfc2822();
        Self {
            last_attempt: (!delayed).then(|| written(at)),
            retry_until: expires.filter(|_| delayed).map(written),
        }
    }
}

fn about<'a>(recipient: &'a OwedRecipient, dates: &'a Dates, delayed: bool) -> About<'a> {
    let result = &recipient.result;
    let action = match text(result, "action") {
        _ if delayed => Action::Delayed,
        Some("relayed") => Action::Relayed,
        Some("delivered") => Action::Delivered,
        _ => Action::Failed,
    };
    let said = text(result, "text").unwrap_or_default();
    let quoted = result.get("quoted").and_then(Value::as_bool).unwrap_or(false);
    let expired = result.get("expired").and_then(Value::as_bool).unwrap_or(false);
    let reason = match (action, said) {
        (Action::Delayed, "") => "It has not been tried yet.",
        (Action::Failed, "") if expired => "It could not be delivered in time.",
        (_, said) => said,
    };
    let orcpt = recipient.parameters.get("orcpt").and_then(Value::as_array);
    let original = orcpt.and_then(|pair| Some((pair.first()?.as_str()?, pair.get(1)?.as_str()?)));
    About {
        recipient: &recipient.recipient,
        original,
        action,
        status: status(result, action, expired),
        diagnostic: quoted.then_some(said),
        reason,
        remote_mta: text(result, "host"),
        last_attempt: dates.last_attempt.as_deref(),
        retry_until: dates.retry_until.as_deref(),
    }
}

/// The last attempt's own code in the class of what is reported; without one, what is certain. "X.4.7 Delivery time
/// expired" (RFC 3463 section 3.5) where no server said why.
fn status(result: &Value, action: Action, expired: bool) -> (u8, u16, u16) {
    let mut parts = text(result, "status").unwrap_or_default().split('.').skip(1);
    let mut next = || parts.next().and_then(|part| part.parse().ok());
    let (subject, detail) = match (next(), next()) {
        (Some(0), _) | (None, _) if expired => (4, 7),
        (Some(subject), Some(detail)) => (subject, detail),
        _ => (0, 0),
    };
    let class = match action {
        Action::Failed => 5,
        Action::Delayed => 4,
        Action::Delivered | Action::Relayed | Action::Expanded => 2,
    };
    (class, subject, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(result: Value) -> OwedRecipient {
        OwedRecipient {
            id: 1,
            recipient: "x@a.test".into(),
            parameters: json!({"orcpt": ["rfc822", "y@b.test"]}),
            result,
            at: DateTime::UNIX_EPOCH,
            expires_at: Some(DateTime::UNIX_EPOCH),
        }
    }

    #[test]
    fn codes_fit_what_is_reported() {
        for (result, action, expired, wanted) in [
            (json!({"status": "5.1.1"}), Action::Failed, false, (5, 1, 1)),
            (json!({"status": "4.2.2"}), Action::Failed, true, (5, 2, 2)),
            (json!({"status": "4.0.0"}), Action::Failed, true, (5, 4, 7)),
            (json!({}), Action::Failed, true, (5, 4, 7)),
            (json!({"status": "4.4.1"}), Action::Delayed, false, (4, 4, 1)),
            (json!(null), Action::Delayed, false, (4, 0, 0)),
            (json!({"status": "2.0.0"}), Action::Relayed, false, (2, 0, 0)),
        ] {
            assert_eq!(status(&result, action, expired), wanted, "{result}");
        }
    }

    #[test]
    fn a_servers_words_are_quoted_and_ours_are_not() {
        let one = recipient(json!({
            "action": "failed", "status": "5.1.1", "text": "550 5.1.1 no", "quoted": true, "host": "mx.a.test"
        }));
        let dates = Dates::of(one.at, one.expires_at, false);
        let about = about(&one, &dates, false);
        assert_eq!((about.diagnostic, about.remote_mta), (Some("550 5.1.1 no"), Some("mx.a.test")));
        assert_eq!(about.original, Some(("rfc822", "y@b.test")));
        assert!(about.last_attempt.is_some() && about.retry_until.is_none());
        let one = recipient(json!({"text": "the connection was refused", "status": "4.4.1"}));
        let dates = Dates::of(one.at, one.expires_at, true);
        let about = super::about(&one, &dates, true);
        assert_eq!((about.action, about.diagnostic), (Action::Delayed, None));
        assert_eq!(about.reason, "the connection was refused");
        assert!(about.last_attempt.is_none() && about.retry_until.is_some());
    }
}
