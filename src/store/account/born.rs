//! Recipients elsewhere that were born as this node's own, as a claim of them would have shown them.

use super::deliver::DeliverySet;
use super::outbound::RemoteRecipient;
use crate::queue::Claimed;
use std::time::Duration;
use tokio_postgres::Row;
use types::{BlobId, Destination};

/// Per set, of the rows that `deliver_v3` gives after those of the deliveries: its number among all recipients
/// elsewhere, and its id.
pub(super) fn ids(
    sets: &[DeliverySet],
    rows: &[Row],
) -> impl Iterator<Item = Vec<(Destination, Claimed)>> + use<> {
    let mut all: Vec<Vec<(Destination, Claimed)>> = sets.iter().map(|_| Vec::new()).collect();
    let recipients = (0..).zip(sets).flat_map(|(nth, set)| {
        set.outbound.recipients.iter().map(move |recipient| (nth, set, recipient))
    });
    let recipients: Vec<(usize, &DeliverySet, &RemoteRecipient)> = recipients.collect();
    for row in rows {
        let number: i32 = row.get("uid");
        let place = usize::try_from(number - 1).ok().and_then(|at| recipients.get(at));
        if let Some((nth, set, recipient)) = place {
            let claimed = claimed(row.get("recipient_id"), set, recipient);
            all[*nth].extend(claimed.map(|claimed| (recipient.destination.clone(), claimed)));
        }
    }
    all.into_iter()
}

fn claimed(id: i64, set: &DeliverySet, recipient: &RemoteRecipient) -> Option<Claimed> {
    let (envelope, blob) = (set.envelope.as_ref()?, &set.blob);
    Some(Claimed {
        id,
        queue: envelope.queue,
        tenant: recipient.tenant,
        recipient: recipient.recipient.clone(),
        recipient_parameters: recipient.parameters.clone(),
        attempt: 1,
        attempts: 0,
        takeovers: 0,
        priority: recipient.priority,
        blob: BlobId(blob.id.0),
        object_key: blob.object_key.clone(),
        offset: 0,
        size: blob.size,
        content_offset: set.outbound.content_offset.into(),
        reverse_path: envelope.reverse_path.clone(),
        mail_parameters: envelope.parameters.clone(),
        received_at: blob.received_at,
        age: Duration::ZERO,
        left: recipient.expire,
        delay_sent: false,
    })
}
