//! APPEND: the message streams into the ingest. What can be refused is refused before its octets come.

use crate::answer::Answer;
use crate::client::Client;
use crate::update::Look;
use bytes::Bytes;
use chrono::Utc;
use imap::Append;
use ingest::Incoming;
use mail::{MailError, MailboxName};
use std::io;
use types::MailboxId;

/// A message on its way in.
pub(crate) struct Upload {
    append: Append,
    mailbox: MailboxId,
    incoming: Incoming,
}

impl Client {
    pub(crate) async fn append_begin(&mut self, append: Append) {
        match self.prepare(append).await {
            Ok(upload) => {
                self.upload = Some(Box::new(upload));
                self.machine.append_accept();
            }
            Err(answer) => answer.refuse_append(&mut self.machine),
        }
    }

    async fn prepare(&mut self, append: Append) -> Result<Upload, Answer> {
        let account = self.account()?;
        self.shared.ingest.ready()?;
        let name = MailboxName::parse(&append.mailbox).map_err(MailError::from)?;
        let mailbox = match self.shared.mail.mailbox(account, &name).await {
            Ok(mailbox) => mailbox.id,
            // RFC 9051 §6.3.12: "the server MUST send the response code [TRYCREATE]".
            Err(MailError::NoMailbox) => return Err(MailError::NoTarget.into()),
            Err(error) => return Err(error.into()),
        };
        let incoming = self.shared.ingest.begin(Some(append.size))?;
        Ok(Upload { append, mailbox, incoming })
    }

    pub(crate) async fn append_piece(&mut self, piece: Bytes) {
        let Some(upload) = &mut self.upload else { return };
        if let Err(error) = upload.incoming.write(piece).await {
            self.upload = None;
            Answer::from(error).abort_append(&mut self.machine);
        }
    }

    pub(crate) async fn append_end(&mut self) -> io::Result<()> {
        let mailbox = self.upload.as_ref().map(|upload| upload.mailbox);
        let answer = self.store_message().await.unwrap_or_else(|answer| answer);
        let selected = self.selected.as_ref().map(|selected| selected.view.target().mailbox);
        // "If the mailbox is currently selected, normal new message actions SHOULD occur" (RFC 9051 §6.3.12).
        let here = mailbox.is_some() && mailbox == selected;
        self.update_quietly(if here { Look::Now } else { Look::IfStale }).await?;
        self.settle().await?;
        answer.finish(&mut self.machine);
        Ok(())
    }

    async fn store_message(&mut self) -> Result<Answer, Answer> {
        let account = self.account()?;
        let upload = self.upload.take().ok_or_else(|| Answer::bad("There is no message"))?;
        let Upload { append, mailbox, incoming } = *upload;
        let placed = incoming
            .append(ingest::Append {
                account,
                mailbox,
                flags: append.flags.flags,
                keywords: append.flags.keywords,
                received_at: append.date.map(|date| date.with_timezone(&Utc)),
            })
            .await?;
        Ok(Answer::appended(placed.uidvalidity.0, placed.uid.0))
    }
}
