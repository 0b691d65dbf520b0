//! `queue show`: a message's journey.

use super::select::message;
use crate::cmd::operator::Where;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{ago, octets};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::fmt::Write;
use store::queue::{EventRow, Journey, Listed, QueueState, queue_show};
use types::BlobId;

/// What `queue show` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The message (B…)
    id: String,
}

/// Runs it.
///
/// # Errors
/// Nothing is known of the message.
pub async fn run(place: &Where, args: Args) -> Outcome {
    let queue = message(&args.id)?;
    let (_, store) = place.store().await?;
    let Some(journey) = queue_show(&store, queue).await? else {
        return Err(Failure::new(
            Code::Named,
            format!("nothing is known of {}: it was never queued, or its journal is over", args.id),
        ));
    };
    place.output().show(&journey, || text(&journey, Utc::now()))
}

fn text(journey: &Journey, now: DateTime<Utc>) -> String {
    let mut out = format!("message {}", BlobId(journey.queue.0));
    if let Some(sender) = &journey.sender {
        let _ = write!(out, " from <{sender}>");
    }
    if let Some(at) = journey.received_at {
        let age = ago((now - at).to_std().unwrap_or_default());
        let _ = write!(out, ", accepted {} ({age} ago)", at.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    if let Some(first) = journey.recipients.first() {
        let _ = write!(out, ", {}", octets(first.size));
    }
    out.push('\n');
    for recipient in &journey.recipients {
        out.push_str(&waiting(recipient, now));
    }
    if journey.recipients.is_empty() {
        out.push_str("  nothing of it is queued any more\n");
    }
    if !journey.events.is_empty() {
        out.push('\n');
    }
    for event in &journey.events {
        out.push_str(&line(event));
    }
    out
}

fn waiting(one: &Listed, now: DateTime<Utc>) -> String {
    let state = match one.state {
        QueueState::Waiting => {
            format!("next try in {}", ago((one.due - now).to_std().unwrap_or_default()))
        }
        QueueState::Due => "due now".into(),
        QueueState::Sending => "being sent".into(),
        QueueState::Held => "held".into(),
        QueueState::Report => "done, the sender is told next".into(),
        QueueState::Local => "a mailbox here".into(),
    };
    let mut out =
        format!("  {}  {}  {state}, {} attempts so far", one.id, one.recipient, one.attempts);
    if let Some(node) = one.node {
        let _ = write!(out, ", by {}", types::Incarnation(node));
    }
    if let Some(end) = one.expires_at {
        let _ = write!(out, ", until {}", end.format("%Y-%m-%d %H:%M UTC"));
    }
    out + "\n"
}

/// `time  node  recipient  what`.
fn line(event: &EventRow) -> String {
    let at = event.at.format("%Y-%m-%d %H:%M:%S%.3f");
    let recipient = event.recipient.as_deref().unwrap_or("(all)");
    let node = event.node.map_or_else(|| "-".to_owned(), |node| node.to_string());
    let detail = &event.detail;
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    let mut out = format!("{at}  {recipient}  ");
    let _ = match event.kind {
        "attempt" => write!(out, "{}", attempt(event)),
        "takeover" => {
            let by = text("by").unwrap_or("another");
            write!(out, "taken over by {by}: its node was gone")
        }
        "report" => match (text("report"), text("waived")) {
            (_, Some(why)) => write!(out, "no report: {why}"),
            (Some(id), _) => write!(out, "report {} to the sender", report_id(id)),
            _ => write!(out, "report"),
        },
        "end" => match text("action") {
            Some("home") => write!(out, "its domain is ours: delivered here"),
            _ => write!(out, "{}: {}", event.outcome.unwrap_or("ended"), end(detail)),
        },
        _ => {
            let action = text("action").unwrap_or("changed");
            let to = text("recipient").or_else(|| text("destination"));
            let to = to.map_or_else(String::new, |to| format!(" to {to}"));
            write!(out, "{action}{to} by {}", text("by").unwrap_or("an operator"))
        }
    };
    let _ = writeln!(out, "  [{node}]");
    out
}

/// Why it ended without an attempt.
fn end(detail: &Value) -> &str {
    match detail.get("text").and_then(Value::as_str) {
        Some(text) => text,
        None => "its time was over before it could be tried (again)",
    }
}

fn attempt(event: &EventRow) -> String {
    let detail = &event.detail;
    let text = |name: &str| detail.get(name).and_then(Value::as_str);
    let mut out = String::new();
    if let Some(number) = event.attempt {
        let _ = write!(out, "attempt {number}: ");
    }
    // What was said of it, and what that came to.
    let fate = text("fate").unwrap_or(event.outcome.unwrap_or("?"));
    out.push_str(fate);
    if event.outcome == Some("expired") {
        out.push_str(", and its time is over");
    }
    if let Some(fenced) = event.fenced {
        let _ = write!(out, " (too late to count: {fenced})");
    }
    if let Some(host) = text("host") {
        let _ = write!(out, " at {host}");
    }
    if let Some(address) = text("address") {
        let _ = write!(out, " [{address}]");
    }
    match detail.get("tls") {
        Some(tls) => {
            let part = |name: &str| tls.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
            let verified = tls.get("verified").and_then(Value::as_bool).unwrap_or(false);
            let seal = if verified { ", verified" } else { "" };
            let _ = write!(out, " under {} {}{seal}", part("version"), part("cipher"));
        }
        None if text("host").is_some() => out.push_str(" in the clear"),
        None => {}
    }
    if let Some(said) = text("text") {
        let _ = write!(out, ": {said}");
    }
    for one in detail.get("tries").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or("?");
        let _ = write!(out, "; before: {} [{}] {}", part("host"), part("address"), part("text"));
    }
    out
}

/// As the log writes it.
fn report_id(text: &str) -> String {
    uuid::Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |id| BlobId(id).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_attempt_reads_well() {
        let event = EventRow {
            at: DateTime::UNIX_EPOCH,
            recipient_id: Some(1),
            recipient: Some("x@a.test".into()),
            kind: "attempt",
            node: None,
            attempt: Some(2),
            outcome: Some("again"),
            fenced: None,
            detail: json!({
                "fate": "deferred", "host": "mx.a.test", "address": "192.0.2.1:25", "text": "451 later",
                "tls": {"version": "TLSv1.3", "cipher": "AES", "verified": false},
                "tries": [{"host": "mx0.a.test", "address": "192.0.2.2:25", "text": "refused"}]
            }),
        };
        assert_eq!(
            line(&event),
            "1970-01-01 00:00:00.000  x@a.test  attempt 2: deferred at mx.a.test [192.0.2.1:25] under TLSv1.3 AES: \
             451 later; before: mx0.a.test [192.0.2.2:25] refused  [-]\n"
        );
    }
}
