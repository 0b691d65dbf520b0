//! One connection.

use super::Shared;
use super::log::{Arrival, OneMore, Open};
use super::rules::{Effect, Moment};
use base64::Engine;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest message a sink takes.
const MAX_MESSAGE: usize = 200 * 1024 * 1024;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(super) struct Session {
    shared: Arc<Shared>,
    address: SocketAddr,
    peer: SocketAddr,
    id: u64,
    open: Option<Open>,
    tls: bool,
    authenticated: bool,
    hello: String,
    from: Option<String>,
    under_way: Option<OneMore>,
    to: Vec<String>,
    commands: Vec<String>,
    content: Vec<u8>,
}

/// What follows a command.
enum Then {
    Next,
    StartTls,
    Close,
}

type Buffered = BufReader<Box<dyn Wire>>;

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        address: SocketAddr,
        peer: SocketAddr,
        open: Open,
    ) -> Self {
        Self {
            shared,
            address,
            peer,
            id: open.id(),
            open: Some(open),
            tls: false,
            authenticated: false,
            hello: String::new(),
            from: None,
            under_way: None,
            to: Vec::new(),
            commands: Vec::new(),
            content: Vec::new(),
        }
    }

    pub(super) async fn run(&mut self, stream: TcpStream) -> io::Result<()> {
        let mut wire: Buffered = BufReader::with_capacity(64 * 1024, Box::new(stream));
        if self.shared.options.implicit_tls {
            wire = self.start_tls(wire).await?;
        }
        let subjects = [self.address.to_string()];
        if !self.answer(&mut wire, Moment::Connect, &subjects, "220 sink ready").await? {
            return Ok(());
        }
        loop {
            let mut line = Vec::new();
            if wire.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match self.command(&mut wire, &line).await? {
                Then::Next => {}
                Then::StartTls => wire = self.start_tls(wire).await?,
                Then::Close => return wire.shutdown().await,
            }
        }
    }

    async fn start_tls(&mut self, wire: Buffered) -> io::Result<Buffered> {
        let acceptor = self.shared.options.tls.clone();
        let acceptor = acceptor.ok_or_else(|| io::Error::other("the sink has no certificate"))?;
        let stream = acceptor.accept(wire.into_inner()).await?;
        self.tls = true;
        self.reset();
        Ok(BufReader::with_capacity(64 * 1024, Box::new(stream)))
    }

    fn reset(&mut self) {
        self.from = None;
        self.under_way = None;
        self.to.clear();
        self.commands.clear();
        self.content.clear();
    }

    async fn command(&mut self, wire: &mut Buffered, line: &str) -> io::Result<Then> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let open = match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "LHLO" | "HELO" => self.hello(wire, verb, rest).await?,
            "STARTTLS" if self.shared.options.tls.is_some() && !self.tls => {
                say(wire, "220 go ahead").await?;
                return Ok(Then::StartTls);
            }
            "AUTH" => self.auth(wire, rest).await?,
            "MAIL" => self.mail(wire, line).await?,
            "RCPT" => self.rcpt(wire, line).await?,
            "DATA" => self.data(wire).await?,
            "BDAT" => self.bdat(wire, rest).await?,
            "RSET" => {
                self.reset();
                say(wire, "250 ok").await?
            }
            "NOOP" => say(wire, "250 ok").await?,
            "QUIT" => {
                // The client counts it as gone as soon as it hears this.
                self.open = None;
                say(wire, "221 bye").await?;
                false
            }
            _ => say(wire, "502 what").await?,
        };
        Ok(if open { Then::Next } else { Then::Close })
    }

    /// Replies as it is right or as a rule says. `false`: the connection is to close.
    async fn answer(
        &self,
        wire: &mut Buffered,
        moment: Moment,
        subjects: &[String],
        right: &str,
    ) -> io::Result<bool> {
        match self.shared.rules.find(moment, subjects) {
            None => say(wire, right).await,
            Some(effect) => act(wire, effect, right).await,
        }
    }

    async fn hello(&mut self, wire: &mut Buffered, verb: &str, name: &str) -> io::Result<bool> {
        self.reset();
        name.clone_into(&mut self.hello);
        let options = &self.shared.options;
        if verb.eq_ignore_ascii_case("LHLO") != options.lmtp {
            return say(wire, "500 wrong protocol").await;
        }
        let mut lines = vec!["sink".to_owned()];
        if !verb.eq_ignore_ascii_case("HELO") {
            lines.extend(options.keywords.iter().cloned());
            lines.extend((options.tls.is_some() && !self.tls).then(|| "STARTTLS".to_owned()));
            lines.extend(options.login.is_some().then(|| "AUTH PLAIN".to_owned()));
        }
        let last = lines.len() - 1;
        let mark = |at: usize| if at == last { ' ' } else { '-' };
        let lines: Vec<String> =
            lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", mark(at))).collect();
        self.answer(wire, Moment::Hello, &[name.to_owned()], &lines.join("\r\n")).await
    }

    async fn auth(&mut self, wire: &mut Buffered, rest: &str) -> io::Result<bool> {
        let Some((user, password)) = &self.shared.options.login else {
            return say(wire, "502 no").await;
        };
        let wanted = format!("\0{user}\0{password}");
        let given = rest.strip_prefix("PLAIN ").unwrap_or_default();
        let given = base64::prelude::BASE64_STANDARD.decode(given).unwrap_or_default();
        self.authenticated = given == wanted.as_bytes();
        say(wire, if self.authenticated { "235 ok" } else { "535 5.7.8 wrong" }).await
    }

    async fn mail(&mut self, wire: &mut Buffered, line: &str) -> io::Result<bool> {
        let path = path_of(line);
        if self.shared.options.login.is_some() && !self.authenticated {
            return say(wire, "530 5.7.0 authentication required").await;
        }
        if self.from.is_some() {
            return say(wire, "503 5.5.1 nested MAIL").await;
        }
        match self.verdict(wire, Moment::Mail, &path, "250 2.1.0 ok").await? {
            Some(true) => {
                self.under_way = Some(self.shared.log.begun(&path));
                self.from = Some(path);
                self.commands.push(line.to_owned());
                Ok(true)
            }
            Some(false) => Ok(true),
            None => Ok(false),
        }
    }

    async fn rcpt(&mut self, wire: &mut Buffered, line: &str) -> io::Result<bool> {
        let path = path_of(line);
        if self.from.is_none() {
            return say(wire, "503 5.5.1 MAIL first").await;
        }
        match self.verdict(wire, Moment::Rcpt, &path, "250 2.1.5 ok").await? {
            Some(true) => {
                self.to.push(path);
                self.commands.push(line.to_owned());
                Ok(true)
            }
            Some(false) => Ok(true),
            None => Ok(false),
        }
    }

    /// `Some(true)`: accepted. `None`: the connection is to close.
    async fn verdict(
        &self,
        wire: &mut Buffered,
        moment: Moment,
        path: &str,
        right: &str,
    ) -> io::Result<Option<bool>> {
        let effect = self.shared.rules.find(moment, &[path.to_owned()]);
        let refused = matches!(effect, Some(Effect::Reply(_) | Effect::ReplyAndClose(_)));
        let open = match effect {
            None => say(wire, right).await?,
            Some(effect) => act(wire, effect, right).await?,
        };
        Ok(open.then_some(!refused))
    }

    async fn data(&mut self, wire: &mut Buffered) -> io::Result<bool> {
        if self.to.is_empty() {
            return say(wire, "554 5.5.1 no valid recipients").await;
        }
        let effect = self.shared.rules.find(Moment::Data, &self.to);
        let refused = matches!(effect, Some(Effect::Reply(_) | Effect::ReplyAndClose(_)));
        let open = match effect {
            None => say(wire, "354 go").await?,
            Some(effect) => act(wire, effect, "354 go").await?,
        };
        if refused || !open {
            return Ok(open);
        }
        let mut cut = self.shared.rules.find(Moment::Content, &self.to);
        let mut line = Vec::new();
        loop {
            line.clear();
            if wire.read_until(b'\n', &mut line).await? == 0 {
                return Ok(false);
            }
            if line == b".\r\n" {
                return self.complete(wire).await;
            }
            match cut.take() {
                None => {}
                Some(Effect::Delay(delay)) => tokio::time::sleep(delay).await,
                Some(effect) => return act(wire, effect, "354 go").await,
            }
            let text = line.strip_prefix(b".").unwrap_or(&line);
            if self.content.len() + text.len() > MAX_MESSAGE {
                return say(wire, "552 5.3.4 too big").await.map(|_| false);
            }
            self.content.extend_from_slice(text);
        }
    }

    async fn bdat(&mut self, wire: &mut Buffered, rest: &str) -> io::Result<bool> {
        let (size, last) = rest.split_once(' ').map_or((rest, false), |(size, _)| (size, true));
        let Some(size) = size.parse::<usize>().ok().filter(|size| *size <= MAX_MESSAGE) else {
            return say(wire, "501 5.5.4 chunk size").await.map(|_| false);
        };
        let before = self.content.len();
        self.content.resize(before + size, 0);
        wire.read_exact(&mut self.content[before..]).await?;
        if self.to.is_empty() {
            self.content.clear();
            return say(wire, "554 5.5.1 no valid recipients").await;
        }
        if last { self.complete(wire).await } else { say(wire, "250 ok").await }
    }

    /// All of the message is here.
    async fn complete(&mut self, wire: &mut Buffered) -> io::Result<bool> {
        let at = SystemTime::now();
        let effect = self.shared.rules.find(Moment::Dot, &self.to);
        let reply = match &effect {
            None | Some(Effect::Delay(_)) => Some(250),
            Some(Effect::Reply(text) | Effect::ReplyAndClose(text)) => {
                text.get(..3).and_then(|c| c.parse().ok())
            }
            Some(Effect::Tarpit | Effect::Close) => None,
        };
        if let (Some(Effect::Delay(delay)), Some(_)) = (&effect, reply) {
            tokio::time::sleep(*delay).await;
        }
        let recipients = if self.shared.options.lmtp { self.to.len() } else { 1 };
        self.log(at, reply);
        self.reset();
        match effect {
            None | Some(Effect::Delay(_)) => {
                say(wire, &vec!["250 2.0.0 taken"; recipients].join("\r\n")).await
            }
            Some(Effect::Reply(text)) => say(wire, &vec![text; recipients].join("\r\n")).await,
            Some(other) => act(wire, other, "250 ok").await,
        }
    }

    fn log(&mut self, at: SystemTime, reply: Option<u16>) {
        let content = std::mem::take(&mut self.content);
        self.shared.log.arrived(Arrival {
            message_id: message_id(&content),
            hello: self.hello.clone(),
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone(),
            commands: self.commands.clone(),
            at,
            connection: self.id,
            address: self.address,
            peer: self.peer,
            tls: self.tls,
            reply,
            size: content.len() as u64,
            content: self.shared.options.keep.then_some(content),
        });
    }
}

async fn say(wire: &mut Buffered, text: &str) -> io::Result<bool> {
    wire.write_all(format!("{text}\r\n").as_bytes()).await?;
    wire.flush().await?;
    Ok(true)
}

async fn act(wire: &mut Buffered, effect: Effect, right: &str) -> io::Result<bool> {
    match effect {
        Effect::Reply(text) => say(wire, &text).await,
        Effect::ReplyAndClose(text) => {
            say(wire, &text).await?;
            // A reset would take the reply with it: close in order and let the client finish.
            wire.shutdown().await?;
            let mut nowhere = tokio::io::sink();
            let rest = tokio::io::copy(wire, &mut nowhere);
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), rest).await;
            Ok(false)
        }
        Effect::Delay(delay) => {
            tokio::time::sleep(delay).await;
            say(wire, right).await
        }
        Effect::Tarpit => {
            // Until the client has had enough.
            tokio::io::copy(wire, &mut tokio::io::sink()).await.map(|_| false)
        }
        Effect::Close => Ok(false),
    }
}

/// What stands between the first `<` and the last `>` that could end a path.
fn path_of(line: &str) -> String {
    let inner = line.split_once('<').map_or("", |(_, rest)| rest);
    let end = inner.find("> ").or_else(|| inner.rfind('>')).unwrap_or(inner.len());
    inner[..end].to_owned()
}

fn message_id(content: &[u8]) -> String {
    let header = memchr::memmem::find(content, b"\r\n\r\n").map_or(content, |end| &content[..end]);
    for line in header.split(|byte| *byte == b'\n') {
        let name = line.get(..11).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"Message-ID:") {
            let value = String::from_utf8_lossy(&line[11..]);
            return value.trim().trim_matches(['<', '>']).to_owned();
        }
    }
    String::new()
}
