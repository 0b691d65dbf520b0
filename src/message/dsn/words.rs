//! The people's part: plain sentences, who is concerned, and what to do.

use super::fields::clean;
use super::{About, Action, Report};
use std::fmt::Write;

/// Most recipients named one by one; the machine's part has them all.
const MAX_NAMED: usize = 100;

/// What a mail list shows.
pub(super) fn subject(report: &Report<'_>) -> &'static str {
    match worst(report) {
        Action::Failed => "Your message could not be delivered",
        Action::Delayed => "Your message is delayed",
        Action::Delivered => "Your message was delivered",
        Action::Relayed | Action::Expanded => "Your message was passed on",
    }
}

fn worst(report: &Report<'_>) -> Action {
    let order =
        [Action::Failed, Action::Delayed, Action::Relayed, Action::Expanded, Action::Delivered];
    let has = |action: &Action| report.about.iter().any(|about| about.action == *action);
    order.into_iter().find(has).unwrap_or(Action::Failed)
}

/// The text.
pub(super) fn text(report: &Report<'_>) -> String {
    let mut out = String::with_capacity(1_024);
    let _ = write!(out, "This is the mail server {}.\r\n", clean(report.reporting_mta));
    for (action, says) in [
        (
            Action::Failed,
            "Your message could not be delivered to the following recipients. It will not be tried\r\n\
             again; the reason stands below each address.",
        ),
        (
            Action::Delayed,
            "Your message has not been delivered to the following recipients yet. It is still being\r\n\
             tried. You need not do anything, and need not send it again.",
        ),
        (Action::Delivered, "Your message was delivered to the following recipients."),
        (
            Action::Relayed,
            "Your message was passed on for the following recipients to a server that sends no\r\n\
             reports. There may be no further word about it.",
        ),
        (Action::Expanded, "Your message was passed on to the members of the following lists."),
    ] {
        section(&mut out, report, action, says);
    }
    if report.about.iter().any(|about| about.action == Action::Failed) {
        out.push_str("\r\nWhat follows is meant for mail programs and administrators.\r\n");
    }
    out
}

fn section(out: &mut String, report: &Report<'_>, action: Action, says: &str) {
    let concerned: Vec<&About<'_>> = report.about.iter().filter(|a| a.action == action).collect();
    if concerned.is_empty() {
        return;
    }
    let _ = write!(out, "\r\n{says}\r\n");
    for about in concerned.iter().take(MAX_NAMED) {
        recipient(out, about);
    }
    if let Some(more) = concerned.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        let _ = write!(out, "\r\nand {more} more.\r\n");
    }
}

fn recipient(out: &mut String, about: &About<'_>) {
    let _ = write!(out, "\r\n<{}>\r\n", clean(about.recipient));
    if matches!(about.action, Action::Failed | Action::Delayed) {
        match (about.diagnostic, about.remote_mta) {
            (Some(reply), Some(host)) => {
                paragraph(out, &format!("The server {host} said: {reply}"));
            }
            (Some(reply), None) => paragraph(out, &format!("The other server said: {reply}")),
            (None, Some(host)) => paragraph(out, &format!("{} (server {host})", about.reason)),
            (None, None) => paragraph(out, about.reason),
        }
    }
    if let (Action::Delayed, Some(until)) = (about.action, about.retry_until) {
        paragraph(out, &format!("It will be tried until {until}."));
    }
}

/// Indented lines of readable length.
fn paragraph(out: &mut String, text: &str) {
    let mut column = usize::MAX;
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count() + 1;
        if column.saturating_add(length) > 76 {
            out.push_str(if column == usize::MAX { "   " } else { "\r\n   " });
            column = 3;
        }
        out.push(' ');
        // One word alone may be as long as a line can be.
        out.extend(word.chars().take(200));
        column += length;
    }
    out.push_str("\r\n");
}
