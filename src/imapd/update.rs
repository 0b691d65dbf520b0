//! Telling a client what changed in its mailbox (RFC 9051 §7.4, §7.5).

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::selected::Selected;
use crate::sets::{resolve, to_wire};
use imap::{Capability, Code, SequenceSet, Session, Status};
use mail::{Access, Columns, MailError, Pages, UidRow, UidSet, View};
use std::time::Duration;
use tokio::time::Instant;
use types::Flags;

/// A view that caught up within this time need not again, unless its session was woken or asks: a client
/// that pipelines a thousand FETCHes costs one look per second.
const FRESH: Duration = Duration::from_secs(1);
/// A larger mailbox that vanishes as a whole is not expunged message by message.
const MAX_LAST_EXPUNGES: u32 = 10_000;

/// How much a look at the change log is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The client asked.
    Now,
    /// Its own command changed the mailbox.
    Own,
    /// If it has been a while.
    IfStale,
}

impl Client {
    /// Catches up and tells what changed. EXPUNGE is told only when the machine says it may be.
    ///
    /// # Errors
    /// [`Stop::Answer`] when PostgreSQL did not answer; the next look makes up for it.
    pub(crate) async fn update(&mut self, look: Look) -> Result<(), Stop> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let woken = selected.watch.as_mut().is_some_and(|watch| watch.take_changed());
        let fresh = selected.synced.is_some_and(|at| at.elapsed() < FRESH);
        // "The same as specifying SELECTED NONE" (RFC 5465 §3.1): only what the client does itself is told.
        let frozen = self.notify.as_ref().is_some_and(|notify| !notify.selected().messages);
        if frozen && look != Look::Own {
            return Ok(());
        }
        if look != Look::IfStale || woken || !fresh {
            selected.synced = None;
            let changes = match self.shared.mail.sync(&mut selected.view).await {
                Err(MailError::NoPermission | MailError::NoMailbox) => {
                    self.lose_access();
                    return Ok(());
                }
                other => other?,
            };
            selected.synced = Some(Instant::now());
            selected.untold = selected.untold.union(&changes.updated);
            selected.contexts.touch(&changes.updated);
            if changes.gone && selected.view.exists() > MAX_LAST_EXPUNGES {
                let text = "The selected mailbox was deleted";
                self.machine.bye(Some(&Code::NonExistent), text);
                return Ok(());
            }
        }
        self.tell().await
    }

    /// The messages that a command's set means. A UID above all that the client was told of is one that it
    /// learned elsewhere (APPENDUID or COPYUID on another connection): then it is worth a look.
    ///
    /// # Errors
    /// BAD for a message number that does not exist; [`Stop::Gone`].
    pub(crate) async fn meant(&mut self, set: &SequenceSet, uid: bool) -> Result<UidSet, Stop> {
        if uid && set.largest_written() >= self.selected()?.view.uidnext() {
            self.update_quietly(Look::Now).await?;
        }
        let selected = self.selected()?;
        let found = resolve(&selected.view, &selected.saved, set, uid);
        Ok(found.ok_or_else(|| Answer::bad("No such message"))?)
    }

    /// Before a command that is about the selected mailbox: looks whether the client may still do there what it could.
    ///
    /// # Errors
    /// [`Stop::Answer`] when PostgreSQL did not answer.
    pub(crate) async fn look_again(&mut self) -> Result<(), Stop> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        match self.shared.mail.look_again(&mut selected.view).await {
            Err(MailError::NoPermission | MailError::NoMailbox) => {
                self.lose_access();
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// "If such server detects that the user no longer has read access to the mailbox, it MAY send an untagged BYE response
    /// and close connection." (RFC 4314 §5.1.1)
    fn lose_access(&mut self) {
        let text = "The selected mailbox may not be read any more";
        self.machine.bye(Some(&Code::NoPerm), text);
    }

    async fn tell(&mut self) -> Result<(), Stop> {
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.owes_exists()) {
            tell_exists(&mut self.machine, selected);
        }
        self.tell_gone().await?;
        self.tell_changes().await?;
        self.tell_shifts().await
    }

    async fn tell_changes(&mut self) -> Result<(), Stop> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let untold = self.machine.may_expunge() && !selected.view.vanished().is_empty();
        let uids = [Capability::QResync, Capability::UidOnly];
        if untold && uids.iter().any(|capability| self.machine.is_enabled(*capability)) {
            let gone = selected.view.take_vanished_uids();
            selected.told_exists -= u32::try_from(gone.len()).unwrap_or(selected.told_exists);
            self.machine.writer().vanished(false, &to_wire(&gone));
        } else if untold {
            for number in selected.view.take_vanished() {
                selected.told_exists -= 1;
                self.machine.writer().expunge(number);
                self.wire.send_some(self.machine.output()).await?;
            }
        }
        tell_exists(&mut self.machine, selected);
        if selected.told_flags != selected.view.reach().flags() {
            // "If the server checks the rights on each command, then it SHOULD send FLAGS and PERMANENTFLAGS responses if
            // they have changed" (RFC 4314 §5.1.1).
            selected.told_flags = selected.view.reach().flags();
            self.machine.writer().flags(all_flags(), selected.keywords());
            tell_permanent_flags(&mut self.machine, &selected.view, selected.keywords());
        }
        let untold = std::mem::take(&mut selected.untold);
        let unwanted = self.notify.as_ref().is_some_and(|notify| !notify.selected().flags);
        if untold.is_empty() || unwanted {
            return Ok(());
        }
        let columns = Columns::FLAGS.with(Columns::MODSEQ);
        let mut pages = Pages::of(selected.view.target(), untold.clone(), columns);
        loop {
            match pages.next(&self.shared.mail).await {
                Ok(Some(rows)) => {
                    for row in &rows {
                        tell_flags(&mut self.machine, selected, row);
                        self.wire.send_some(self.machine.output()).await?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    // Telling something twice does no harm.
                    selected.untold = untold;
                    return Err(error.into());
                }
            }
        }
    }

    /// Before a tagged reply: the client takes the highest mod-sequence it was shown for one up to which it knows
    /// everything, unless it is told otherwise (RFC 7162 §6). So what came between is told now; where an EXPUNGE may
    /// not be told yet, HIGHESTMODSEQ says how far the client really is.
    ///
    /// # Errors
    /// Only when the client is gone.
    pub(crate) async fn settle(&mut self) -> std::io::Result<()> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let mut shown = selected.take_shown();
        if selected.view.is_behind(shown) {
            self.update_quietly(Look::Now).await?;
        }
        let Some(selected) = &mut self.selected else { return Ok(()) };
        shown = shown.max(selected.take_shown());
        let told = selected.view.told_modseq().0;
        if selected.view.is_behind(shown) {
            let text = "What else there is will be told later";
            self.machine.writer().status(Status::Ok, Some(&Code::HighestModSeq(told)), text);
        }
        self.machine.set_highest_modseq(told);
        Ok(())
    }

    /// As [`Client::update`] where nobody waits for it: what cannot be told now is told later.
    ///
    /// # Errors
    /// Only when the client is gone.
    pub(crate) async fn update_quietly(&mut self, look: Look) -> std::io::Result<()> {
        match self.update(look).await {
            Err(Stop::Gone(error)) => Err(error),
            Ok(()) | Err(Stop::Answer(_)) => Ok(()),
        }
    }
}

fn tell_exists(machine: &mut Session, selected: &mut Selected) {
    let exists = selected.view.exists();
    if exists == selected.told_exists {
        return;
    }
    selected.told_exists = exists;
    let rev2 = machine.is_rev2();
    let mut writer = machine.writer();
    writer.exists(exists);
    if !rev2 {
        writer.recent(selected.view.recent());
    }
}

/// One message's flags, with its UID and, for who knows it, its mod-sequence (RFC 7162 §3.2.4).
pub(crate) fn tell_flags(machine: &mut Session, selected: &mut Selected, row: &UidRow) {
    let Some(number) = selected.view.number(row.uid.0) else { return };
    tell_keywords(machine, selected, &row.keywords);
    let recent = !machine.is_rev2() && selected.view.is_recent(row.uid.0);
    // "The server MUST then include mod-sequence data in all subsequent untagged FETCH responses" (RFC 7162 §3.1).
    let condstore = machine.is_enabled(Capability::CondStore);
    let mut writer = machine.writer();
    let mut line = writer.fetch(number, row.uid.0);
    line.uid(row.uid.0);
    line.flags(row.flags, &row.keywords, recent);
    if condstore {
        line.mod_seq(row.modseq.0);
        selected.show(row.modseq);
    }
    line.end();
}

/// Says FLAGS again when a keyword turns up that it did not name.
pub(crate) fn tell_keywords(machine: &mut Session, selected: &mut Selected, keywords: &[String]) {
    if !keywords.is_empty() && selected.learn(keywords) {
        machine.writer().flags(all_flags(), selected.keywords());
    }
}

/// Every flag that has a bit.
pub(crate) fn all_flags() -> Flags {
    Flags::NAMED.iter().fold(Flags::default(), |all, (flag, _)| all.with(*flag))
}

/// PERMANENTFLAGS, by what the user may change: "Any server implementing an ACL extension MUST accurately reflect the
/// current user's rights in FLAGS and PERMANENTFLAGS responses" (RFC 4314 §5.1.1).
pub(crate) fn tell_permanent_flags(machine: &mut Session, view: &View, keywords: &[String]) {
    let mut writer = machine.writer();
    if view.access() == Access::ReadOnly {
        return writer.permanent_flags(Flags::default(), &[] as &[&str], false);
    }
    let flags = Flags(all_flags().0 & view.reach().flags().0);
    match view.reach().keywords() {
        true => writer.permanent_flags(flags, keywords, true),
        false => writer.permanent_flags(flags, &[] as &[&str], false),
    }
}

/// For [`MailError`]s of a read whose promise to the client is already out.
pub(crate) fn broken(error: &MailError) -> std::io::Error {
    tracing::warn!(%error, "a body broke off, the connection ends");
    std::io::Error::other(error.to_string())
}
