//! The commands, one file per group. Each writes its untagged answers and says how it ended.

mod acl;
pub(crate) mod append;
pub(crate) mod fetch;
mod filters;
mod info;
pub(crate) mod list;
mod mailbox;
mod metadata;
mod multisearch;
mod quota;
mod resync;
mod search;
mod select;
mod store;
mod transfer;
mod url;
mod urlauth;

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::Command;

pub(crate) async fn run(client: &mut Client, command: Command) -> Result<Answer, Stop> {
    match command {
        Command::Noop | Command::Check => info::noop(client).await,
        Command::Id(said) => Ok(info::id(client, &said)),
        Command::Namespace => Ok(info::namespace(client)),
        Command::Select { mailbox, read_only, qresync, .. } => {
            select::select(client, &mailbox, read_only, qresync.as_deref()).await
        }
        Command::Close => select::close(client).await,
        Command::Unselect => {
            client.deselect().await;
            Ok(Answer::ok())
        }
        Command::Create { mailbox, special_use } => {
            mailbox::create(client, &mailbox, &special_use).await
        }
        Command::Delete(name) => mailbox::delete(client, &name).await,
        Command::Rename { from, to } => mailbox::rename(client, &from, &to).await,
        Command::Subscribe(name) => mailbox::subscribe(client, &name).await,
        Command::Unsubscribe(name) => mailbox::unsubscribe(client, &name).await,
        Command::List(list) => list::list(client, &list).await,
        Command::Lsub(list) => list::lsub(client, &list).await,
        Command::Status { mailbox, items } => list::status(client, &mailbox, &items).await,
        Command::Expunge { uids } => transfer::expunge(client, uids.as_ref()).await,
        Command::Search(search) => search::search(client, &search).await,
        Command::Fetch(fetch) => fetch::fetch(client, fetch).await,
        Command::Store(store) => store::store(client, &store).await,
        Command::Copy(transfer) => transfer::copy(client, &transfer).await,
        Command::Move(transfer) => transfer::move_(client, &transfer).await,
        Command::GenUrlAuth(rumps) => urlauth::generate(client, &rumps).await,
        Command::ResetKey { mailbox, mechanisms } => {
            urlauth::reset(client, mailbox.as_deref(), &mechanisms).await
        }
        Command::UrlFetch(urls) => urlauth::fetch(client, &urls).await,
        Command::Unauthenticate => {
            client.forget_login().await;
            Ok(Answer::ok())
        }
        Command::CancelUpdate(tags) => {
            client.selected()?.contexts.cancel(&tags);
            Ok(Answer::ok())
        }
        Command::MultiSearch(wanted) => multisearch::multi_search(client, &wanted).await,
        Command::Sort(sort) => search::sort(client, &sort).await,
        Command::Thread(thread) => search::thread(client, &thread).await,
        Command::GetQuota(root) => quota::get(client, &root).await,
        Command::GetQuotaRoot(mailbox) => quota::root(client, &mailbox).await,
        Command::Notify(wanted) => crate::notify::notify(client, wanted).await,
        Command::GetMetadata(wanted) => metadata::get(client, &wanted).await,
        Command::SetMetadata { mailbox, entries } => {
            metadata::set(client, &mailbox, &entries).await
        }
        Command::SetAcl { mailbox, identifier, change } => {
            acl::set(client, &mailbox, &identifier, change).await
        }
        Command::DeleteAcl { mailbox, identifier } => {
            acl::delete(client, &mailbox, &identifier).await
        }
        Command::GetAcl(mailbox) => acl::get(client, &mailbox).await,
        Command::ListRights { mailbox, identifier } => {
            acl::list_rights(client, &mailbox, &identifier).await
        }
        Command::MyRights(mailbox) => acl::my_rights(client, &mailbox).await,
        // Not announced, so it does not come.
        Command::SetQuota { .. } => Ok(Answer::bad("Not possible here")),
    }
}
