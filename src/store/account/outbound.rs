//! What of a message goes elsewhere, and what it reports: the part of a delivery that the queue takes.

use super::deliver::DeliverySet;
use crate::queue::storable;
use serde_json::Value;
use std::time::Duration;
use types::{Destination, Incarnation, QueueId, TenantId};
use uuid::Uuid;

/// A recipient elsewhere. Queued whatever becomes of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteRecipient {
    /// Where it goes.
    pub destination: Destination,
    /// Who pays.
    pub tenant: TenantId,
    /// The forward-path as the client wrote it.
    pub recipient: String,
    /// Parameters of RCPT: an object.
    pub parameters: Value,
    /// Higher goes first (RFC 6710).
    pub priority: i16,
    /// Not before so long.
    pub wait: Duration,
    /// Given up after so long.
    pub expire: Duration,
    /// Nothing is to be sent: its end is known and a report is owed.
    pub settled: Option<Settled>,
    /// It is born as [`Outbound::owner`]'s own, who sends it at once, if its lease runs and nothing is paused.
    pub mine: bool,
}

/// An end that is known when the message is accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What the report says: an object with `action`, as [`crate::queue::Note::detail`].
    pub result: Value,
    /// Owed only if this delivery of the set was made.
    pub delivery: Option<usize>,
}

/// What this message is a report of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOf {
    /// Who writes it.
    pub node: Incarnation,
    /// Settled recipients that owe it.
    pub settled: Vec<i64>,
    /// Messages whose delay it tells.
    pub delayed: Vec<QueueId>,
}

/// The part of a delivery that the queue takes. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Outbound {
    /// To whom. Needs a newborn message with an envelope.
    pub recipients: Vec<RemoteRecipient>,
    /// Whose are those that somebody sends at once: this node.
    pub owner: Option<Incarnation>,
    /// What leaves begins here: after Return-Path, which only the final delivery has (RFC 5321 §4.4).
    pub content_offset: u32,
    /// A report of delay is owed after so long.
    pub delay_report: Option<Duration>,
    /// What is settled by this message. If somebody else settled it, nothing of this set happens
    /// ([`crate::StoreError::Refused`]).
    pub report: Option<ReportOf>,
    /// Deliveries of this set out of the queue ([`super::Delivery::queued`]) whose sender is to hear that they were
    /// made.
    pub tells: Vec<usize>,
}

impl Outbound {
    pub(super) fn is_none(&self) -> bool {
        self.recipients.is_empty() && self.report.is_none() && self.tells.is_empty()
    }
}

/// The parameters of `deliver_v3` that `deliver_v1` does not have.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub offset: Vec<i32>,
    pub delay: Vec<Option<f64>>,
    pub blob: Vec<i32>,
    pub key: Vec<i64>,
    pub destination: Vec<&'a str>,
    pub tenant: Vec<i32>,
    pub rank: Vec<i16>,
    pub recipient: Vec<&'a str>,
    pub parameters: Vec<&'a Value>,
    pub wait: Vec<f64>,
    pub expire: Vec<f64>,
    pub result: Vec<Option<Value>>,
    pub delivery: Vec<Option<i32>>,
    pub mine: Vec<bool>,
    pub owner: Option<Uuid>,
    pub node: Option<Uuid>,
    pub settled_blob: Vec<i32>,
    pub settled: Vec<i64>,
    pub delayed_blob: Vec<i32>,
    pub delayed: Vec<Uuid>,
    pub tells: Vec<i32>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(sets: &'a [DeliverySet]) -> Self {
        let mut all = Self::default();
        let mut deliveries = 0;
        for (blob, set) in (1..).zip(sets) {
            all.offset.push(set.outbound.content_offset as i32);
            all.delay.push(set.outbound.delay_report.map(|delay| delay.as_secs_f64()));
            for recipient in &set.outbound.recipients {
                all.push(blob, deliveries, recipient);
            }
            all.owner = all.owner.or(set.outbound.owner.map(|owner| owner.0));
            if let Some(report) = &set.outbound.report {
                all.report(blob, report);
            }
            let tells = set.outbound.tells.iter();
            all.tells.extend(tells.map(|index| (deliveries + index + 1) as i32));
            deliveries += set.deliveries.len();
        }
        all
    }

    fn push(&mut self, blob: i32, deliveries_before: usize, to: &'a RemoteRecipient) {
        self.blob.push(blob);
        self.key.push(to.destination.key());
        self.destination.push(to.destination.domain());
        self.tenant.push(to.tenant.0);
        self.rank.push(-to.priority);
        self.recipient.push(&to.recipient);
        self.parameters.push(&to.parameters);
        self.wait.push(to.wait.as_secs_f64());
        self.expire.push(to.expire.as_secs_f64());
        self.mine.push(to.mine);
        self.result.push(to.settled.as_ref().map(|settled| storable(&settled.result)));
        let of = to.settled.as_ref().and_then(|settled| settled.delivery);
        self.delivery.push(of.map(|index| (deliveries_before + index + 1) as i32));
    }

    fn report(&mut self, blob: i32, report: &ReportOf) {
        self.node = Some(report.node.0);
        self.settled_blob.extend(report.settled.iter().map(|_| blob));
        self.settled.extend(&report.settled);
        self.delayed_blob.extend(report.delayed.iter().map(|_| blob));
        self.delayed.extend(report.delayed.iter().map(|queue| queue.0));
    }
}
