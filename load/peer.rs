//! Other people's servers, started privately from the system's packages, with their defaults for
//! durability: Postfix delivering to Dovecot by LMTP.

use crate::cpu::Groups;
use crate::imap::Imap;
use crate::target::Target;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::{Daemon, free_port, process, until};

const PASSWORD: &str = "load-password";

/// How Dovecot keeps mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// One file per message.
    Maildir,
    /// Many messages per file.
    Mdbox,
}

/// Postfix and Dovecot while they run.
pub struct PostfixDovecot {
    /// What is put under load.
    pub target: Arc<Target>,
    _servers: [Daemon; 2],
    _folder: TempDir,
}

/// Starts both.
///
/// # Errors
/// When they are not installed (`make load-peers` does that), or do not come up.
pub async fn postfix_dovecot(storage: Storage, accounts: usize) -> Result<PostfixDovecot> {
    for program in ["/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/dovecot/lmtp"] {
        ensure!(Path::new(program).exists(), "{program} is missing; `make load-peers` installs it");
    }
    let folder = process::folder()?;
    let (smtp, imap) = (local(free_port()?), local(free_port()?));
    let accounts: Vec<String> = (0..accounts).map(|n| format!("user{n}@load.test")).collect();
    let dovecot = start_dovecot(folder.path(), storage, imap, &accounts).context("Dovecot")?;
    let postfix = start_postfix(folder.path(), smtp, &accounts).context("Postfix")?;
    until("Postfix and Dovecot listen", async || {
        let greeted = Imap::connect(imap).await.is_ok();
        (greeted && tokio::net::TcpStream::connect(smtp).await.is_ok()).then_some(())
    })
    .await?;
    let groups =
        Groups::default().with("Postfix", vec![postfix.pid()]).with("Dovecot", vec![dovecot.pid()]);
    let queue = folder.path().join("queue");
    let target = Target {
        name: match storage {
            Storage::Maildir => "Postfix + Dovecot Maildir".into(),
            Storage::Mdbox => "Postfix + Dovecot mdbox".into(),
        },
        smtp: vec![smtp],
        greeting: "EHLO",
        imap: vec![imap],
        imaps: vec![],
        http: vec![],
        groups,
        accounts,
        password: PASSWORD.into(),
        database: None,
        queues: ["incoming", "active"].map(|name| queue.join(name)).into(),
    };
    Ok(PostfixDovecot { target: Arc::new(target), _servers: [postfix, dovecot], _folder: folder })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn start_dovecot(
    folder: &Path,
    storage: Storage,
    imap: SocketAddr,
    accounts: &[String],
) -> Result<Daemon> {
    let home = folder.join("mail");
    fs::create_dir(&home)?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o1777))?;
    // Several system users, as Linux allows each only so many inotify watchers and IDLE would fall back to
    // polling.
    let users: String = accounts
        .iter()
        .zip(0..)
        .map(|(account, nth)| {
            let uid = 20_000 + nth % 10;
            format!("{account}:{{PLAIN}}{PASSWORD}:{uid}:8::{}/{account}\n", home.display())
        })
        .collect();
    let file = folder.join("users");
    fs::write(&file, users)?;
    let location = match storage {
        Storage::Maildir => "maildir:~/Maildir",
        Storage::Mdbox => "mdbox:~/mdbox",
    };
    let text = format!(
        "protocols = imap lmtp\nbase_dir = {folder}/run\nstate_dir = {folder}/state\n\
         log_path = {folder}/dovecot.log\nssl = no\ndisable_plaintext_auth = no\n\
         mail_location = {location}\nfirst_valid_uid = 1\nmail_max_userip_connections = 10000\n\
         passdb {{\n driver = passwd-file\n args = {users}\n}}\n\
         userdb {{\n driver = passwd-file\n args = {users}\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  address = 127.0.0.1\n  port = {port}\n }}\n \
         inet_listener imaps {{\n  port = 0\n }}\n process_min_avail = 2\n}}\n\
         service imap {{\n process_limit = 8192\n}}\n\
         service lmtp {{\n process_min_avail = 2\n unix_listener {folder}/lmtp {{\n  mode = 0666\n }}\n}}\n\
         namespace inbox {{\n inbox = yes\n separator = /\n}}\n",
        folder = folder.display(),
        users = file.display(),
        port = imap.port(),
    );
    let file = folder.join("dovecot.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(file);
    Daemon::start("dovecot", &mut command, &folder.join("dovecot.out"), false)
}

fn start_postfix(folder: &Path, smtp: SocketAddr, accounts: &[String]) -> Result<Daemon> {
    let (etc, queue, data) = (folder.join("etc"), folder.join("queue"), folder.join("data"));
    for path in [&etc, &queue, &data] {
        fs::create_dir(path)?;
    }
    process::give_to("postfix", &data)?;
    let users: String = accounts.iter().map(|account| format!("{account} x\n")).collect();
    fs::write(etc.join("users"), users)?;
    fs::write(
        etc.join("main.cf"),
        format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
             daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mx.load.example\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmydestination =\n\
             local_recipient_maps =\nalias_maps =\nvirtual_mailbox_domains = load.test\n\
             virtual_mailbox_maps = texthash:{etc}/users\nvirtual_transport = lmtp:unix:{folder}/lmtp\n\
             message_size_limit = 52428800\nmailbox_size_limit = 0\nvirtual_mailbox_limit = 0\n\
             smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_client_connection_count_limit = 0\n\
             maillog_file_prefixes = {folder}\nmaillog_file = {folder}/postfix.log\n",
            queue = queue.display(),
            data = data.display(),
            etc = etc.display(),
            folder = folder.display(),
        ),
    )?;
    fs::write(etc.join("master.cf"), master(smtp))?;
    let mut command = Command::new("/usr/sbin/postfix");
    command.arg("-c").arg(&etc).arg("start-fg");
    Daemon::start("postfix", &mut command, &folder.join("postfix.out"), false)
}

/// The services of Debian's own file, with smtpd on our address.
pub(crate) fn master(smtp: SocketAddr) -> String {
    let mut text = format!("{smtp} inet n - n - - smtpd\n");
    for line in [
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "showq unix n - n - - showq",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "discard unix - - n - - discard",
        "lmtp unix - - n - - lmtp",
        "anvil unix - - n - 1 anvil",
        "scache unix - - n - 1 scache",
        "postlog unix-dgram n - n - 1 postlogd",
    ] {
        text += line;
        text.push('\n');
    }
    text
}
