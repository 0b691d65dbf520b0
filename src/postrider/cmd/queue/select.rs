//! Which mail is meant.

use crate::exit::{Failure, Outcome};
use clap::Args;
use std::time::Duration;
use store::queue::{QueueState, Select};
use types::{BlobId, EmailAddress, QueueId, TenantId};

/// Filters; whatever is given must hold.
#[derive(Debug, Clone, Default, Args)]
pub struct Filters {
    /// Going to this domain
    #[arg(long)]
    pub domain: Option<String>,
    /// From this address or @domain; "" is the null sender of reports
    #[arg(long, value_name = "ADDRESS|@DOMAIN")]
    pub sender: Option<String>,
    /// To this address
    #[arg(long, value_name = "ADDRESS")]
    pub recipient: Option<String>,
    /// waiting, due, sending, held, report (its end is known, the sender is told next) or local
    #[arg(long, value_parser = state)]
    pub state: Option<QueueState>,
    /// Of this tenant
    #[arg(long, value_name = "NUMBER")]
    pub tenant: Option<i32>,
    /// Accepted longer ago, e.g. 90s, 30m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub older_than: Option<Duration>,
}

/// Filters, or names, or all.
#[derive(Debug, Clone, Default, Args)]
pub struct Meant {
    /// Messages (B…) or recipients (numbers)
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filters: Filters,
    /// Everything in the queue
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
}

impl Filters {
    fn is_empty(&self) -> bool {
        self.domain.is_none()
            && self.sender.is_none()
            && self.recipient.is_none()
            && self.state.is_none()
            && self.tenant.is_none()
            && self.older_than.is_none()
    }

    /// As the store wants it.
    ///
    /// # Errors
    /// Not a domain.
    pub fn select(&self) -> Outcome<Select> {
        Ok(Select {
            domain: self.domain.as_deref().map(domain).transpose()?,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            state: self.state,
            tenant: self.tenant.map(TenantId),
            older_than: self.older_than,
            ..Select::default()
        })
    }
}

impl Meant {
    /// As the store wants it.
    ///
    /// # Errors
    /// Nothing is meant, or it is no id.
    pub fn select(&self) -> Outcome<Select> {
        if self.ids.is_empty() && self.filters.is_empty() && !self.all {
            return Err(Failure::usage(
                "which mail? Give message ids, recipient numbers, filters (--domain, --sender, …), or --all",
            ));
        }
        let mut select = self.filters.select()?;
        let (mut rows, mut messages) = (Vec::new(), Vec::new());
        for id in &self.ids {
            match id.parse::<i64>() {
                Ok(row) => rows.push(row),
                Err(_) => messages.push(message(id)?),
            }
        }
        if !rows.is_empty() && !messages.is_empty() {
            return Err(Failure::usage("give message ids or recipient numbers, not both at once"));
        }
        select.ids = (!rows.is_empty()).then_some(rows);
        select.queues = (!messages.is_empty()).then_some(messages);
        Ok(select)
    }
}

/// A message's id, as the client was told it.
///
/// # Errors
/// It is none.
pub fn message(id: &str) -> Outcome<QueueId> {
    let found = BlobId::parse(id).map(|blob| QueueId(blob.0)).or_else(|_| QueueId::parse(id));
    found.map_err(|_| Failure::usage(format!("{id:?} is no message id (B…)")))
}

/// A domain in A-labels, or an address literal.
///
/// # Errors
/// It is neither.
pub fn domain(text: &str) -> Outcome<String> {
    if text.starts_with('[') && text.ends_with(']') {
        return Ok(text.to_ascii_lowercase());
    }
    EmailAddress::normalise_domain(text)
        .map_err(|_| Failure::usage(format!("{text:?} is no domain name")))
}

fn state(text: &str) -> Result<QueueState, String> {
    QueueState::parse(text)
        .ok_or_else(|| format!("{text:?} is not one of waiting, due, sending, held, report, local"))
}

/// Longest time that is taken, in seconds: ten years.
const LONGEST: u64 = 3_650 * 86_400;

/// `90s`, `30m`, `2h`, `3d`; at most ten years.
pub fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time, e.g. 90s, 30m, 2h, 3d");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).ok_or_else(wrong)?;
    if seconds > LONGEST {
        return Err(format!("{text:?} is too long: at most 3650d"));
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("3d"), Ok(Duration::from_secs(259_200)));
        for wrong in
            ["", "5", "h", "1w", "-1s", "99999999999999999999d", "3651d", "18446744073709551615s"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_not_everything() {
        assert!(Meant::default().select().is_err());
        assert!(Meant { all: true, ..Meant::default() }.select().is_ok());
        let id = BlobId::new();
        let meant = Meant { ids: vec![id.to_string()], ..Meant::default() };
        assert_eq!(meant.select().unwrap().queues, Some(vec![QueueId(id.0)]));
        let mixed = Meant { ids: vec![id.to_string(), "7".into()], ..Meant::default() };
        assert!(mixed.select().is_err());
    }
}
