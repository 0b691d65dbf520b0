//! APPEND and REPLACE: messages stream into the ingest. What can be refused is refused before its octets come.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::update::Look;
use bytes::Bytes;
use chrono::Utc;
use imap::{Append, Capability, Code, NumberSet, Replaced, Status};
use ingest::{Incoming, Placed, Prepared};
use mail::{Access, MailError, MailboxName};
use std::io;
use types::{MailboxId, Uid};

/// Messages on their way in.
pub(crate) struct Upload {
    mailbox: MailboxId,
    /// Those that are complete (RFC 3502).
    prepared: Vec<Prepared>,
    /// The one that comes.
    append: Append,
    incoming: Incoming,
    /// REPLACE: what goes when they come.
    replaces: Option<(MailboxId, Uid)>,
}

impl Client {
    pub(crate) async fn append_begin(&mut self, append: Append) -> io::Result<()> {
        match self.begin(append).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                self.machine.append_accept();
            }
            Err(Stop::Answer(answer)) => answer.refuse_append(&mut self.machine),
            Err(Stop::Gone(error)) => return Err(error),
        }
        Ok(())
    }

    async fn begin(&mut self, append: Append) -> Result<Upload, Stop> {
        let account = self.account()?;
        self.shared.ingest.ready().map_err(Answer::from)?;
        let name = MailboxName::parse(&append.mailbox).map_err(MailError::from)?;
        let mailbox = match self.shared.mail.mailbox(account, &name).await {
            Ok(mailbox) => mailbox.id,
            // RFC 9051 §6.3.12: "the server MUST send the response code [TRYCREATE]".
            Err(MailError::NoMailbox) => return Err(MailError::NoTarget.into()),
            Err(error) => return Err(error.into()),
        };
        let replaces = match &append.replaces {
            Some(replaced) => Some(self.replaced(replaced).await?),
            None => None,
        };
        let incoming = self.shared.ingest.begin(Some(append.size)).map_err(Answer::from)?;
        Ok(Upload { mailbox, prepared: Vec::new(), append, incoming, replaces })
    }

    /// The message that REPLACE means.
    async fn replaced(&mut self, replaced: &Replaced) -> Result<(MailboxId, Uid), Stop> {
        if self.selected()?.view.access() == Access::ReadOnly {
            return Err(Answer::no(Code::NoPerm, "The mailbox is selected read-only").into());
        }
        let found = self.meant(&replaced.number, replaced.uid).await?;
        let uid = found.iter().next();
        let uid = uid.ok_or_else(|| Answer::no(Code::NonExistent, "No such message"))?;
        Ok((self.selected()?.view.target().mailbox, Uid(uid)))
    }

    pub(crate) async fn append_piece(&mut self, piece: Bytes) {
        let Some(upload) = &mut self.upload else { return };
        if let Err(error) = upload.incoming.write(piece).await {
            self.upload = None;
            Answer::from(error).abort_append(&mut self.machine);
        }
    }

    /// One message is complete, another one begins.
    pub(crate) async fn append_next(&mut self, append: Append) {
        match self.next(append).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                self.machine.append_accept();
            }
            // Dropped, those that came before leave nothing.
            Err(answer) => answer.refuse_append(&mut self.machine),
        }
    }

    async fn next(&mut self, append: Append) -> Result<Upload, Answer> {
        let upload = self.upload.take().ok_or_else(|| Answer::bad("There is no message"))?;
        let Upload { mailbox, mut prepared, append: before, incoming, replaces } = *upload;
        prepared.push(prepare(incoming, before).await?);
        let incoming = self.shared.ingest.begin(Some(append.size))?;
        Ok(Upload { mailbox, prepared, append, incoming, replaces })
    }

    pub(crate) async fn append_end(&mut self) -> io::Result<()> {
        let mailbox = self.upload.as_ref().map(|upload| upload.mailbox);
        let from = self.upload.as_ref().and_then(|upload| upload.replaces);
        let mut answer = self.store_messages().await.unwrap_or_else(|answer| answer);
        if from.is_some() && answer.is_ok() {
            // RFC 8508 §3.2: APPENDUID comes untagged, before EXISTS and EXPUNGE.
            answer.tell(&mut self.machine, Status::Ok);
            answer = Answer::ok();
        }
        let selected = self.selected.as_ref().map(|selected| selected.view.target().mailbox);
        // "If the mailbox is currently selected, normal new message actions SHOULD occur" (RFC 9051 §6.3.12).
        let here = from.is_some() || (mailbox.is_some() && mailbox == selected);
        self.update_quietly(if here { Look::Own } else { Look::IfStale }).await?;
        self.settle().await?;
        if let Some(selected) = &self.selected
            && from.is_some()
            && answer.is_ok()
            && self.machine.is_enabled(Capability::QResync)
        {
            let told = selected.view.told_modseq().0;
            answer = Answer::ok_with(Code::HighestModSeq(told), "Replaced");
        }
        answer.finish(&mut self.machine);
        Ok(())
    }

    async fn store_messages(&mut self) -> Result<Answer, Answer> {
        let account = self.account()?;
        let upload = self.upload.take().ok_or_else(|| Answer::bad("There is no message"))?;
        let Upload { mailbox, mut prepared, append, incoming, replaces } = *upload;
        if !prepared.is_empty() || replaces.is_some() {
            prepared.push(prepare(incoming, append).await?);
            let ingest = self.shared.ingest.clone();
            let placed = ingest.append_all(account, mailbox, prepared, replaces).await?;
            if let Some(last) = placed.last() {
                self.made(last.modseq);
            }
            return Ok(self.appended(&placed));
        }
        let placed = incoming
            .append(ingest::Append {
                account,
                mailbox,
                flags: append.flags.flags,
                keywords: append.flags.keywords,
                received_at: append.date.map(|date| date.with_timezone(&Utc)),
            })
            .await?;
        Ok(self.appended(&[placed]))
    }
}

impl Client {
    /// Notes which messages the client made itself.
    fn appended(&mut self, placed: &[Placed]) -> Answer {
        // A message that came alone may share its mod-sequence with somebody else's delivery: so it is not noted as
        // made here.
        for placed in placed {
            if let Some(selected) = &mut self.selected
                && selected.view.target().mailbox == placed.mailbox
            {
                selected.own_new.push(placed.uid.0);
            }
        }
        let uids: NumberSet = placed.iter().map(|placed| placed.uid.0).collect();
        Answer::appended(placed.first().map_or(0, |placed| placed.uidvalidity.0), uids)
    }
}

async fn prepare(incoming: Incoming, append: Append) -> Result<Prepared, Answer> {
    let received_at = append.date.map(|date| date.with_timezone(&Utc));
    Ok(incoming.prepare(append.flags.flags, append.flags.keywords, received_at).await?)
}
