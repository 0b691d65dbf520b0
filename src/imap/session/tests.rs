//! Transcripts, the table of states and commands, and what strangers can send.
//!
//! A transcript is a file of lines: `C:` what the client sends (a line end is added; `C\` adds none; `\r`, `\n`,
//! `\0`, `\t` and `\xNN` stand for octets), `S:` what it hears, `E:` what the driver was asked. To change one on
//! purpose: `UPDATE_GOLDEN=1 cargo test -p imap`, then read the difference.

use super::*;
use crate::command::{COMMANDS, FetchItem, SpecialUse, UrlData, UrlFetch};
use crate::response::{
    Attribute, Found, ListEntry, NamespaceEntry, QuotaResource, ResultChange, StatusData,
    StatusValue, ThreadNode, Updated,
};
use crate::set::NumberSet;
use crate::{Capabilities, Search, SearchKey, StatusItem, Thread, ThreadAlgorithm};
use chrono::DateTime;
use proptest::prelude::*;
use types::Flags;

const MESSAGE: &[u8] =
    b"From: Fred <fred@x.test>\r\nSubject: Hello\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\
    Message-ID: <1@x.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello Joe\r\n";

/// A driver with one message, three mailboxes and the password "secret".
struct Client {
    session: Session,
    events: Vec<String>,
    appended: u64,
    /// Tags of searches with UPDATE; whether they are in UIDs, and sorted.
    contexts: Vec<(String, bool, bool)>,
    closed: bool,
}

impl Client {
    fn new(config: Config, tls: bool) -> Self {
        let session = Session::new(Arc::new(config), tls);
        Self { session, events: Vec::new(), appended: 0, contexts: Vec::new(), closed: false }
    }

    fn plain() -> Self {
        Self::new(config(), false)
    }

    fn tls() -> Self {
        Self::new(config(), true)
    }

    fn logged_in() -> Self {
        let mut client = Self::tls();
        client.send(b"l LOGIN fred secret\r\n");
        assert_eq!(client.session.state(), State::Authenticated);
        client
    }

    fn selected() -> Self {
        let mut client = Self::logged_in();
        client.send(b"s SELECT INBOX\r\n");
        assert_eq!(client.session.state(), State::Selected);
        client
    }

    fn send(&mut self, bytes: &[u8]) -> String {
        self.session.feed(bytes);
        while let Some(event) = self.session.next() {
            self.answer(event);
        }
        String::from_utf8_lossy(&self.session.output().split()).into_owned()
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::AppendContent(octets) => self.appended += octets.len() as u64,
            Event::AppendEnd => {
                self.events.push(format!("AppendEnd after {} octets", self.appended))
            }
            other => self.events.push(format!("{other:?}")),
        }
    }

    fn answer(&mut self, event: Event) {
        self.note(&event);
        let session = &mut self.session;
        match event {
            Event::StartTls => session.tls_started(),
            Event::Login { password, .. } => session.auth_verdict(verdict(&password)),
            Event::Authenticate { initial: None, .. } => session.auth_challenge(b""),
            Event::Authenticate { initial: Some(text), .. } | Event::AuthResponse(text) => {
                session.auth_verdict(verdict(&text));
            }
            Event::Command(command) => self.command(&command),
            Event::Idle => {
                session.idle_started();
                session.writer().exists(3);
            }
            Event::Append(append) | Event::AppendNext(append) => {
                self.appended = 0;
                if append.mailbox == "Nowhere" {
                    session.append_refuse(Some(&Code::TryCreate), "No such mailbox");
                } else {
                    session.append_accept();
                }
            }
            Event::AppendUrl(url) if url.contains("113330") => {
                session.append_refuse(Some(&Code::BadUrl(&url)), "No such message");
            }
            Event::AppendUrl(_) => session.append_url_done(),
            Event::AppendContent(_) if self.appended > 50_000 => {
                session.append_abort(Some(&Code::OverQuota), "Full");
            }
            Event::AppendEnd => {
                let uids = NumberSet::from_iter([9]);
                session.finish(Status::Ok, Some(&Code::AppendUid(7, &uids)), "APPEND completed");
            }
            Event::IdleDone => session.finish_ok(),
            Event::Compress => session.compression_started(),
            Event::Close => self.closed = true,
            Event::AppendContent(_)
            | Event::AppendVoid
            | Event::AuthCancelled
            | Event::SavedSearchVoid => {}
        }
    }

    fn command(&mut self, command: &Command) {
        let tag = self.session.tag().to_owned();
        let qresync = self.session.is_enabled(Capability::QResync);
        let kept = match command {
            Command::Search(search) if search.updates() => Some((search.uid, false)),
            Command::Sort(sort) if sort.search.updates() => Some((sort.search.uid, true)),
            Command::MultiSearch(all) if all.search.updates() => Some((true, false)),
            _ => None,
        };
        if kept.is_some() && self.contexts.iter().any(|(used, ..)| *used == tag) {
            return self.session.finish(Status::Bad, None, "Tag reuse");
        }
        let mut writer = self.session.writer();
        match command {
            Command::Noop => self.contexts.iter().for_each(|kept| tell_context(&mut writer, kept)),
            Command::CancelUpdate(tags) => self.contexts.retain(|(tag, ..)| !tags.contains(tag)),
            Command::Select { mailbox, read_only, qresync, .. } => {
                return self.select(mailbox, *read_only, qresync.as_deref());
            }
            Command::Fetch(fetch) => {
                if fetch.vanished {
                    writer.vanished(true, &[300, 301, 310, 405, 411].into_iter().collect());
                }
                let mut line = writer.fetch(1, 5);
                fetch.items.iter().for_each(|item| fetch_item(&mut line, item));
                line.end();
            }
            Command::Sort(sort) => {
                let modseq = sort.search.modseq.then_some(1236);
                let scores = [99, 80, 70, 42, 30, 20, 10, 4];
                let wanted = sort.search.returns.is_some_and(|returns| returns.relevancy);
                let more = Found { modseq, place: None, scores: wanted.then_some(&scores) };
                writer.sort(&tag, sort, &[5, 3, 4, 1, 2, 10, 11, 12], more);
            }
            Command::MultiSearch(search) => {
                let found = [3002, 4004].into_iter().collect();
                for (mailbox, uidvalidity) in [("folder1", 1), ("folder2/B\u{e4}nana", 503)] {
                    let more = Found { place: Some((mailbox, uidvalidity)), ..Found::default() };
                    writer.search_with(&tag, &search.search, &found, more);
                }
            }
            Command::Thread(thread) => answer_thread(&mut writer, thread),
            Command::GetMetadata(get) => {
                let values: Vec<(&str, Option<&[u8]>)> = get
                    .entries
                    .iter()
                    .map(|entry| (entry.as_str(), Some(b"My comment\r\nin two lines".as_slice())))
                    .collect();
                writer.metadata(&get.mailbox, &values);
                if let Some(most) = get.max_size.filter(|most| *most < 24) {
                    let code = Code::MetadataLongEntries(24.max(most));
                    return self.session.finish(Status::Ok, Some(&code), "Some are longer");
                }
            }
            Command::SetMetadata { mailbox, entries } if entries.len() > 2 => {
                writer.metadata_changed(mailbox, &["/shared/comment", "/private/comment"]);
                return self.session.finish(Status::No, Some(&Code::MetadataTooMany), "Full");
            }
            Command::GetAcl(mailbox) => {
                let rights = |text| types::Rights::parse(text).unwrap();
                writer.acl(
                    mailbox,
                    &[
                        ("Fred", rights("rwipslxetad")),
                        ("-Fred", rights("wetd")),
                        ("$team", rights("w")),
                    ],
                );
            }
            Command::ListRights { mailbox, identifier } => {
                let required = if identifier.given == "smith" { "la" } else { "" };
                let required = types::Rights::parse(required).unwrap();
                writer.list_rights(mailbox, &identifier.given, required);
            }
            Command::MyRights(mailbox) => {
                writer.my_rights(mailbox, types::Rights::parse("rwiptsldaex").unwrap());
            }
            Command::GenUrlAuth(rumps) => {
                let signed = |(rump, _): &(String, String)| format!("{rump}:internal:91354a47");
                writer.gen_url_auth(&rumps.iter().map(signed).collect::<Vec<_>>());
            }
            Command::UrlFetch(urls) => {
                for asked in urls {
                    let url = &asked.url;
                    if url.contains("internal") && asked.data != UrlData::Plain {
                        tell_url_parts(&mut writer, asked);
                    } else if url.contains("internal") {
                        writer.url_fetch(url, 4);
                        writer.out().extend_from_slice(b"Si v");
                        writer.end_line();
                    } else {
                        writer.url_fetch_nil(url);
                    }
                }
            }
            Command::ResetKey { .. } => {
                return self.session.finish(Status::Ok, Some(&Code::UrlMech), "Done");
            }
            Command::GetQuota(root) => writer.quota(root, &[STORAGE]),
            Command::SetQuota { root, .. } => {
                writer
                    .quota(root, &[STORAGE, QuotaResource { name: "MESSAGE", usage: 4, limit: 9 }]);
            }
            Command::GetQuotaRoot(mailbox) => {
                writer.quota_root(mailbox, &["", "#user/alice"]);
                writer.quota("", &[STORAGE]);
            }
            Command::Search(search) => {
                if let Some(code) = answer_search(&mut writer, &tag, search) {
                    return self.session.finish(Status::No, Some(&code), "No such filter");
                }
            }
            Command::List(list) if list.root_only => writer
                .list(&ListEntry { attributes: &[Attribute::NoSelect], ..ListEntry::default() }),
            Command::List(list) => {
                for (name, attributes) in MAILBOXES.iter().filter(|(name, _)| list.matches(name)) {
                    writer.list(&ListEntry { attributes, name, ..ListEntry::default() });
                    if list.returns.my_rights {
                        writer.my_rights(name, types::Rights::ALL);
                    }
                }
            }
            Command::Lsub(list) => {
                for (name, _) in MAILBOXES.iter().filter(|(name, _)| list.matches(name)) {
                    writer.lsub(&[], name);
                }
            }
            Command::Status { mailbox, items } => {
                let value = |item: &StatusItem| match item {
                    StatusItem::HighestModSeq => StatusData::Number(7_011_231_777),
                    StatusItem::MailboxId => StatusData::Id("F2212ea87-6097-4256-9d51-71338625"),
                    StatusItem::AppendLimit => StatusData::Nil,
                    _ => StatusData::Number(4),
                };
                let values: Vec<_> = items
                    .iter()
                    .map(|item| StatusValue { item: *item, value: value(item) })
                    .collect();
                writer.mailbox_status(mailbox, &values);
            }
            Command::Namespace => {
                let [own, others] = ["", "Other Users/"].map(|prefix| NamespaceEntry { prefix });
                writer.namespace(&[own], &[others], &[]);
            }
            Command::Id(_) => writer.id(&[("name", "Postrider")]),
            Command::Expunge { .. } if qresync => {
                writer.vanished(false, &[405, 407, 410, 425].into_iter().collect());
                let code = Code::HighestModSeq(20_010_715_194_045_319);
                return self.session.finish(Status::Ok, Some(&code), "expunged");
            }
            Command::Expunge { .. } => writer.expunge(1),
            Command::Store(store) if store.unchanged_since.is_some() => {
                let mut line = writer.fetch(5, 5);
                line.uid(5);
                line.mod_seq(320_162_350);
                line.end();
                let left: NumberSet = [7, 9].into_iter().collect();
                let code = Code::Modified(&left);
                return self.session.finish(Status::Ok, Some(&code), "Conditional STORE failed");
            }
            Command::Copy(_) => {
                let (from, to) =
                    ([2, 3, 4, 9].into_iter().collect(), [20, 21, 22, 23].into_iter().collect());
                let code = Code::CopyUid(7, &from, &to);
                return self.session.finish(Status::Ok, Some(&code), "COPY completed");
            }
            _ => {}
        }
        match kept {
            Some((uid, sorted)) if self.contexts.len() < 3 => {
                self.contexts.push((tag, uid, sorted));
            }
            Some(_) => {
                let code = Code::NoUpdate(&tag);
                self.session.writer().status(Status::No, Some(&code), "Too many contexts");
            }
            None => {}
        }
        self.session.finish_ok();
    }

    fn select(&mut self, mailbox: &str, read_only: bool, qresync: Option<&crate::QResync>) {
        if mailbox == "Nowhere" {
            return self.session.finish(Status::No, Some(&Code::NonExistent), "No such mailbox");
        }
        let mut writer = self.session.writer();
        writer.flags(Flags::SEEN.with(Flags::DELETED), &["$Label1"]);
        writer.permanent_flags(Flags::SEEN, &["$Label1"], !read_only);
        writer.exists(1);
        writer.recent(0);
        writer.status(Status::Ok, Some(&Code::UidValidity(7)), "UIDs valid");
        writer.status(Status::Ok, Some(&Code::UidNext(9)), "Next UID");
        let condstore = self.session.is_enabled(Capability::CondStore);
        let mut writer = self.session.writer();
        if condstore {
            writer.status(Status::Ok, Some(&Code::HighestModSeq(MODSEQ)), "Highest");
        }
        if let Some(known) = qresync.filter(|known| known.uidvalidity == 7) {
            writer.vanished(true, known.known.as_ref().unwrap_or(&[1, 2].into_iter().collect()));
            known.pairs().take(3).for_each(|(number, uid)| {
                let mut line = writer.fetch(number, uid);
                line.uid(uid);
                line.flags(Flags::SEEN, &[] as &[&str], false);
                line.mod_seq(MODSEQ);
                line.end();
            });
        }
        self.session.set_highest_modseq(MODSEQ);
        let code = if read_only { Code::ReadOnly } else { Code::ReadWrite };
        self.session.finish(Status::Ok, Some(&code), "Selected");
    }
}

const MODSEQ: u64 = 715_194_045_007;

const MAILBOXES: &[(&str, &[Attribute])] = &[
    ("INBOX", &[Attribute::HasNoChildren]),
    ("Entwürfe & mehr", &[Attribute::HasNoChildren, Attribute::SpecialUse(SpecialUse::Drafts)]),
    ("Work/2026", &[Attribute::HasNoChildren]),
];

fn config() -> Config {
    let mut config = Config::new("mx.test");
    config.starttls = true;
    config.max_message_bytes = 100_000;
    config.capabilities = Capabilities::all();
    config
}

fn verdict(secret: &Secret) -> AuthVerdict {
    match secret.octets() {
        text if text.ends_with(b"secret") => AuthVerdict::Ok,
        text if text.ends_with(b"later") => AuthVerdict::Unavailable,
        _ => AuthVerdict::Rejected,
    }
}

const STORAGE: QuotaResource<'_> = QuotaResource { name: "STORAGE", usage: 10, limit: 512 };

/// The trees of the examples in RFC 5256 §4 and one more.
fn answer_thread(writer: &mut Writer<'_>, thread: &Thread) {
    let node = |number, children: &[usize]| ThreadNode { number, children: children.to_vec() };
    match thread.algorithm {
        ThreadAlgorithm::OrderedSubject => {
            writer.threads(&[node(0, &[1, 2]), node(3, &[]), node(5, &[])], &[0]);
        }
        ThreadAlgorithm::References => {
            let nodes = [
                node(2, &[]),
                node(3, &[2]),
                node(6, &[3, 5]),
                node(4, &[4]),
                node(23, &[]),
                node(44, &[6]),
                node(7, &[7]),
                node(96, &[]),
            ];
            writer.threads(&nodes, &[0, 1]);
        }
    }
}

#[test]
fn deep_threads_cost_no_stack() {
    let mut nodes: Vec<_> =
        (1..=200_000).map(|n| ThreadNode { number: n, children: vec![n as usize] }).collect();
    nodes.push(ThreadNode { number: 200_001, children: Vec::new() });
    // A tree as deep that branches everywhere.
    for at in 0..100_000 {
        let leaf = nodes.len();
        nodes.push(ThreadNode { number: 1, children: Vec::new() });
        nodes[at].children.push(leaf);
    }
    let mut out = BytesMut::new();
    Writer::new(&mut out, Style::default()).threads(&nodes, &[0]);
    let count = |byte| out.iter().filter(|b| **b == byte).count();
    assert_eq!(count(b'('), 200_001);
    assert_eq!(count(b'('), count(b')'));
}

fn holds_undefined(keys: &[SearchKey]) -> bool {
    keys.iter().any(|key| matches!(key, SearchKey::Filter(name) if name == "nowhere"))
}

/// The examples of RFC 5524 §4.
fn tell_url_parts(writer: &mut Writer<'_>, asked: &UrlFetch) {
    let mut scanner = message::Scanner::new();
    scanner.feed(MESSAGE);
    let structure = scanner.finish().structure;
    writer.url_fetch_parts(&asked.url, asked.structure.then_some(&structure.root));
    let binary = asked.data == UrlData::Binary;
    if binary && asked.url.contains("section=1.4") {
        writer.url_fetch_not_decoded();
    } else if asked.data != UrlData::None {
        writer.url_fetch_data(binary, binary && asked.structure, 4);
        writer.out().extend_from_slice(b"Si v");
        writer.end_url_fetch_data();
    }
    writer.end_line();
}

/// The examples of RFC 5267 §4.3.
fn tell_context(writer: &mut Writer<'_>, (tag, uid, sorted): &(String, bool, bool)) {
    let of = Updated { tag, uid: *uid, place: None };
    if *sorted {
        let gone = [(5, vec![9, 8, 7]), (12, vec![2, 3])];
        writer.sorted_result_change(of, ResultChange::RemoveFrom, &gone);
        let new = [(1, vec![2731, 2732, 2733]), (7, vec![12])];
        writer.sorted_result_change(of, ResultChange::AddTo, &new);
        writer.sorted_result_change(of, ResultChange::AddTo, &[]);
    } else {
        let numbers = [32_768, 32_769].into_iter().collect();
        writer.result_change(of, ResultChange::AddTo, &numbers);
        writer.result_change(of, ResultChange::RemoveFrom, &[32_768].into_iter().collect());
        writer.result_change(of, ResultChange::RemoveFrom, &NumberSet::new());
    }
}

/// A response code: it failed.
fn answer_search(writer: &mut Writer<'_>, tag: &str, search: &Search) -> Option<Code<'static>> {
    let found = [2, 3, 4, 9].into_iter().collect();
    // Each message's mod-sequence is 917,162,000 more than its number.
    let modseq = search.returned(&found).and_then(|set| set.last());
    let modseq = modseq.map(|last| 917_162_000 + u64::from(last));
    let wanted = search.returns.is_some_and(|returns| returns.relevancy);
    let scores = wanted.then_some([4, 99, 42, 7].as_slice());
    if holds_undefined(&search.keys) {
        return Some(Code::UndefinedFilter("nowhere"));
    }
    writer.search_with(tag, search, &found, Found { modseq, place: None, scores });
    None
}

fn fetch_item(line: &mut crate::FetchLine<'_>, item: &FetchItem) {
    let mut scanner = message::Scanner::new();
    scanner.feed(MESSAGE);
    let structure = scanner.finish().structure;
    match item {
        FetchItem::Uid => line.uid_item(5),
        FetchItem::Flags => line.flags(Flags::SEEN, &["$Label1"], true),
        FetchItem::InternalDate => {
            line.internal_date(&DateTime::parse_from_rfc3339("1994-02-07T21:52:25-08:00").unwrap());
        }
        FetchItem::Size => line.size(structure.size),
        FetchItem::Envelope => line.envelope(&structure.envelope),
        FetchItem::Body => line.body(&structure.root),
        FetchItem::BodyStructure => line.body_structure(&structure.root),
        FetchItem::BinarySize(part) => line.binary_size(part, 11),
        FetchItem::ModSeq => line.mod_seq(65_402),
        FetchItem::EmailId => line.email_id("M6d99ac3275bb4e"),
        FetchItem::ThreadId => line.thread_id(Some("T64b478a75b7ea9")),
        FetchItem::Preview { lazy: true } => line.preview(None),
        FetchItem::Preview { lazy: false } => line.preview(Some("Grüße, Joe")),
        FetchItem::SaveDate => {
            let date = DateTime::parse_from_rfc3339("2015-02-17T21:52:25+00:00").unwrap();
            line.save_date(Some(&date));
        }
        FetchItem::Rfc822 | FetchItem::Rfc822Header | FetchItem::Rfc822Text => {
            line.data_octets(item, MESSAGE);
        }
        FetchItem::Section(section) | FetchItem::Binary(section) => {
            match structure.section(&section.part, section.text.section()) {
                Some(range) => {
                    let octets = &MESSAGE[range.start as usize..range.end as usize];
                    let part = section
                        .partial
                        .map_or(0..octets.len() as u64, |p| p.clip(octets.len() as u64));
                    line.data_octets(item, &octets[part.start as usize..part.end as usize]);
                }
                None => line.data_nil(item),
            }
        }
    }
}

// ---- transcripts ----

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('0') => out.push(0),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some(other) => out.push(other as u8),
            None => panic!("lone backslash"),
        }
    }
    out
}

/// What the client's lines of a transcript send.
fn client_input(line: &str) -> Option<Vec<u8>> {
    if let Some(text) = line.strip_prefix("C: ") {
        return Some([unescape(text), b"\r\n".to_vec()].concat());
    }
    line.strip_prefix("C\\ ").map(unescape)
}

fn client_for(transcript: &str) -> Client {
    let has = |word: &str| transcript.lines().any(|line| line == format!("# {word}"));
    let mut client = if has("plain") { Client::plain() } else { Client::tls() };
    if has("login") {
        client = Client::logged_in();
    }
    if has("select") {
        client = Client::selected();
    }
    client.events.clear();
    client
}

/// Plays a transcript and writes it anew; the client's octets go in pieces of `piece`.
fn replay(transcript: &str, piece: usize) -> String {
    let mut client = client_for(transcript);
    let mut played = String::new();
    if transcript.lines().any(|line| line == "# plain" || line == "# tls") {
        client.session.feed(b"");
    } else {
        client.session.output().clear();
    }
    let mut heard = client.send(b"");
    for line in transcript.lines() {
        if line.starts_with('#') || line.is_empty() {
            played += line;
            played.push('\n');
            played += &written(&std::mem::take(&mut heard), &mut client.events);
            continue;
        }
        let Some(input) = client_input(line) else { continue };
        played += &written(&std::mem::take(&mut heard), &mut client.events);
        played += line;
        played.push('\n');
        for octets in input.chunks(piece) {
            heard += &client.send(octets);
        }
        played += &written(&std::mem::take(&mut heard), &mut client.events);
    }
    played
}

fn written(heard: &str, events: &mut Vec<String>) -> String {
    let mut out = String::new();
    for event in events.drain(..) {
        out += &format!("E: {event}\n");
    }
    for line in heard.split_inclusive("\r\n") {
        let end = if line.ends_with("\r\n") { "" } else { "…" };
        out += &format!("S: {}{end}\n", line.trim_end_matches("\r\n"));
    }
    out
}

#[test]
fn transcripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/session/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10);
    for path in files {
        let transcript = std::fs::read_to_string(&path).unwrap();
        let whole = replay(&transcript, usize::MAX);
        assert_eq!(whole, replay(&transcript, 1), "a byte at a time: {path:?}");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &whole).unwrap();
        } else {
            assert_eq!(whole, transcript, "{path:?}");
        }
    }
}

// ---- states and commands ----

/// Arguments that make a command whole.
fn arguments(name: &str) -> &'static str {
    match name {
        "ID" => " NIL",
        "LANGUAGE" => " de",
        "AUTHENTICATE" => " PLAIN AGZyZWQAc2VjcmV0",
        "LOGIN" => " fred secret",
        "ENABLE" => " IMAP4rev2",
        "COMPRESS" => " DEFLATE",
        "SELECT" | "EXAMINE" | "CREATE" | "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" => " Work",
        "RENAME" => " Work Play",
        "LIST" | "LSUB" => " \"\" *",
        "STATUS" => " INBOX (MESSAGES)",
        "APPEND" => " INBOX {2+}\r\nx\n",
        "REPLACE" => " 1 INBOX {2+}\r\nx\n",
        "SEARCH" | "ESEARCH" => " ALL",
        "SORT" => " (DATE) UTF-8 ALL",
        "THREAD" => " REFERENCES UTF-8 ALL",
        "NOTIFY" => " NONE",
        "CANCELUPDATE" => " \"t\"",
        "GETMETADATA" => " INBOX /shared/comment",
        "SETMETADATA" => " INBOX (/shared/comment NIL)",
        "GETQUOTA" => " \"\"",
        "GETQUOTAROOT" => " INBOX",
        "SETQUOTA" => " \"\" (STORAGE 512)",
        "FETCH" => " 1 UID",
        "STORE" => " 1 FLAGS ()",
        "COPY" | "MOVE" => " 1 Work",
        _ => "",
    }
}

/// Every state and every command, legal or not, plain and behind UID.
#[test]
fn every_command_in_every_state() {
    type Start = fn() -> Client;
    let states: [(&str, Start); 5] = [
        ("Plain", Client::plain),
        ("Tls", Client::tls),
        ("Authenticated", Client::logged_in),
        ("Selected", Client::selected),
        ("Idle", || {
            let mut client = Client::selected();
            client.send(b"i IDLE\r\n");
            client
        }),
    ];
    let mut table = String::new();
    for (state, client) in states {
        for spec in COMMANDS {
            for uid in ["", "UID "] {
                let mut client = client();
                let arguments = match (uid, spec.name) {
                    ("UID ", "EXPUNGE") => " 1",
                    _ => arguments(spec.name),
                };
                let out = client.send(format!("t {uid}{}{arguments}\r\n", spec.name).as_bytes());
                let last = out.lines().last().unwrap_or("");
                let answer = last.split(' ').take(2).collect::<Vec<_>>().join(" ");
                let after = client.session.state();
                table += &format!("{state} {uid}{} → {answer} {after:?}\n", spec.name);
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/session/states.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

/// What is not announced does not work: the same command is served with the capability and BAD without.
#[test]
fn nothing_works_unannounced() {
    use crate::Capability::*;
    let samples = [
        (Id, "ID NIL"),
        (Enable, "ENABLE X"),
        (Idle, "IDLE\r\nDONE"),
        (Language, "LANGUAGE de"),
        (Namespace, "NAMESPACE"),
        (Unselect, "UNSELECT"),
        (UidPlus, "UID EXPUNGE 1"),
        (Move, "MOVE 1 a"),
        (ListExtended, "LIST (SUBSCRIBED) \"\" *"),
        (ListExtended, "LIST \"\" (a b)"),
        (ListExtended, "LIST \"\" * RETURN ()"),
        (CreateSpecialUse, "CREATE a (USE (\\Sent))"),
        (ESearch, "SEARCH RETURN () ALL"),
        (ContextSearch, "SEARCH RETURN (UPDATE) ALL"),
        (ContextSearch, "SEARCH RETURN (CONTEXT COUNT) ALL"),
        (SearchRes, "FETCH $ UID"),
        (StatusSize, "STATUS INBOX (SIZE)"),
        (Imap4Rev2, "STATUS INBOX (DELETED)"),
        (Binary, "FETCH 1 BINARY[1]"),
        (Binary, "APPEND INBOX ~{1}\r\nx"),
        (Within, "SEARCH OLDER 1"),
        (CondStore, "SELECT INBOX (CONDSTORE)"),
        (CondStore, "FETCH 1 MODSEQ"),
        (CondStore, "FETCH 1 UID (CHANGEDSINCE 1)"),
        (CondStore, "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()"),
        (CondStore, "SEARCH MODSEQ 1"),
        (CondStore, "STATUS INBOX (HIGHESTMODSEQ)"),
        (QResync, "FETCH 1 MODSEQ"),
        (ObjectId, "FETCH 1 (EMAILID THREADID)"),
        (ObjectId, "SEARCH EMAILID Mx"),
        (ObjectId, "SEARCH THREADID Tx"),
        (ObjectId, "STATUS INBOX (MAILBOXID)"),
        (Preview, "FETCH 1 PREVIEW (LAZY)"),
        (SaveDate, "FETCH 1 SAVEDATE"),
        (SaveDate, "SEARCH SAVEDATESUPPORTED SAVEDON 1-Jan-2000"),
        (AppendLimit, "STATUS INBOX (APPENDLIMIT)"),
        (CompressDeflate, "COMPRESS DEFLATE"),
        (Unauthenticate, "UNAUTHENTICATE"),
        (LiteralPlus, "SUBSCRIBE {1+}\r\na"),
    ];
    for (capability, command) in samples {
        let rev1 = Capabilities::default().with(Imap4Rev1);
        for (capabilities, answer) in [(rev1, "t BAD"), (rev1.with(capability), "t OK")] {
            let mut client = Client::new(Config { capabilities, ..config() }, true);
            let hello = client.send(b"l LOGIN fred secret\r\ns SELECT INBOX\r\n");
            let name =
                crate::CAPABILITIES.iter().find(|spec| spec.capability == capability).unwrap().name;
            let announced = format!(" {hello}").contains(&format!(" {name}"));
            assert_eq!(announced, answer == "t OK", "{name}: {hello}");
            let out = client.send(format!("t {command}\r\n").as_bytes());
            assert!(out.lines().any(|line| line.starts_with(answer)), "{name}: {out}");
        }
    }
    // Only under another name: these need two.
    for (with, command) in [
        (ListStatus, "LIST \"\" * RETURN (STATUS (MESSAGES))"),
        (SpecialUse, "LIST (SPECIAL-USE) \"\" *"),
        (MultiAppend, "APPEND INBOX {1+}\r\nx {1+}\r\ny"),
        (Replace, "REPLACE 1 INBOX {1+}\r\nx"),
        (Replace, "UID REPLACE 1 INBOX {1+}\r\nx"),
        (SortDisplay, "SORT (DISPLAYFROM) UTF-8 ALL"),
        (ESort, "SORT RETURN (COUNT) (DATE) UTF-8 ALL"),
        (ContextSort, "SORT RETURN (UPDATE) (DATE) UTF-8 ALL"),
        (MessageLimit, "SEARCH UIDAFTER 1"),
        (UrlAuthBinary, "URLFETCH (x BINARY)"),
        (Partial, "SEARCH RETURN (PARTIAL 1:2) ALL"),
        (ContextSearch, "SEARCH RETURN (PARTIAL 1:2) ALL"),
        (QuotaSet, "SETQUOTA \"\" ()"),
    ] {
        let base = Capabilities::of(&[
            Imap4Rev1,
            ListExtended,
            LiteralPlus,
            Sort,
            ESearch,
            Quota,
            UrlAuth,
        ]);
        for (capabilities, answer) in [(base, "t BAD"), (base.with(with), "t OK")] {
            let mut client = Client::new(Config { capabilities, ..config() }, true);
            client.send(b"l LOGIN fred secret\r\ns SELECT INBOX\r\n");
            let out = client.send(format!("t {command}\r\n").as_bytes());
            assert!(out.lines().any(|line| line.starts_with(answer)), "{command}: {out}");
        }
    }
    let mut client =
        Client::new(Config { capabilities: Capabilities::default(), ..config() }, true);
    assert!(
        client
            .send(b"t AUTHENTICATE PLAIN AGZyZWQAc2VjcmV0\r\n")
            .ends_with("t BAD Belongs to an extension that is not announced\r\n")
    );
}

/// IMAP4rev2 alone brings what it folded in (RFC 9051 appendix E), but not what it left out.
#[test]
fn rev2_brings_its_parts() {
    let capabilities = Capabilities::default().with(crate::Capability::Imap4Rev2);
    let serve = |command: &str| {
        let mut client = Client::new(Config { capabilities, ..config() }, true);
        client.send(b"l LOGIN fred secret\r\ns SELECT INBOX\r\n");
        let out = client.send(format!("t {command}\r\n").as_bytes());
        out.lines().last().unwrap_or("").starts_with("t OK")
    };
    for command in [
        "ENABLE IMAP4rev2",
        "NAMESPACE",
        "UNSELECT",
        "UID EXPUNGE 1",
        "SEARCH RETURN (SAVE MIN) ALL",
        "FETCH $ BINARY.SIZE[1]",
        "MOVE 1 a",
        "LIST (SUBSCRIBED) \"\" * RETURN (CHILDREN STATUS (SIZE DELETED))",
        "SUBSCRIBE {1+}\r\na",
        "IDLE\r\nDONE",
    ] {
        assert!(serve(command), "{command}");
    }
    let large = format!("SUBSCRIBE {{4097+}}\r\n{}", "a".repeat(4097));
    for command in ["ID NIL", "APPEND INBOX ~{1+}\r\nx", "SEARCH OLDER 1", large.as_str()] {
        assert!(!serve(command), "{command}");
    }
}

#[test]
fn expunge_only_when_allowed() {
    let asked = |command: &[u8]| {
        let mut client = Client::selected();
        assert!(!client.session.may_expunge(), "no command in progress");
        client.session.feed(command);
        client.session.next().unwrap();
        client.session.may_expunge()
    };
    for command in [
        b"t NOOP\r\n".as_slice(),
        b"t UID FETCH 1 UID\r\n",
        b"t UID STORE 1 FLAGS ()\r\n",
        b"t UID SEARCH ALL\r\n",
        b"t IDLE\r\n",
        b"t COPY 1 a\r\n",
        b"t EXPUNGE\r\n",
    ] {
        assert!(asked(command), "{}", String::from_utf8_lossy(command));
    }
    for command in [b"t FETCH 1 UID\r\n".as_slice(), b"t STORE 1 FLAGS ()\r\n", b"t SEARCH ALL\r\n"]
    {
        assert!(!asked(command), "{}", String::from_utf8_lossy(command));
    }
    let mut client = Client::selected();
    client.send(b"t IDLE\r\n");
    assert!(client.session.is_idle() && client.session.may_expunge());
    let mut client = Client::logged_in();
    client.session.feed(b"t NOOP\r\n");
    client.session.next().unwrap();
    assert!(!client.session.may_expunge());
}

// ---- strangers ----

#[test]
fn commands_behind_starttls_are_not_run() {
    let mut client = Client::plain();
    client.send(b"");
    let out = client.send(b"a STARTTLS\r\nb LOGIN fred secret\r\n");
    assert_eq!(out, "a OK Begin TLS negotiation now\r\n");
    assert_eq!(client.session.state(), State::NotAuthenticated);
    assert!(client.send(b"c NOOP\r\n").starts_with("c OK"));
    // Nor those that come while the handshake runs.
    let mut client = Client::plain();
    client.session.feed(b"a STARTTLS\r\n");
    assert_eq!(client.session.next(), Some(Event::StartTls));
    client.session.feed(b"b LOGIN fred secret\r\n");
    assert_eq!(client.session.next(), None);
    client.session.tls_started();
    assert_eq!(client.session.next(), None);
    assert!(client.session.input().is_empty());
}

#[test]
fn other_protocols_are_sent_away() {
    for first in [b"\x16\x03\x01\x02\x00\x01".as_slice(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut client = Client::plain();
        client.send(b"");
        let out = client.send(first);
        assert!(out.starts_with("* BYE ") && out.lines().count() == 1 && client.closed, "{out}");
    }
}

#[test]
fn long_lines_are_refused_with_their_tag() {
    for (mut client, size) in [(Client::tls(), 13_000), (Client::logged_in(), 70_000)] {
        client.send(b"");
        let line = [b"t7 NOOP ".as_slice(), &vec![b'x'; size], b"\r\nt8 CAPABILITY\r\n"].concat();
        for piece in line.chunks(1_000) {
            client.session.feed(piece);
            while let Some(event) = client.session.next() {
                client.answer(event);
            }
            assert!(client.session.reader.input.len() <= client.session.limit() + 1_000);
        }
        let out = client.send(b"");
        assert!(out.starts_with("t7 BAD Command too long\r\n* CAPABILITY"), "{out}");
    }
    let mut client = Client::tls();
    client.send(b"");
    let mut out = String::new();
    for _ in 0..2_000 {
        out += &client.send(&[b'x'; 1_000]);
    }
    assert_eq!(out, "* BYE A line without an end\r\n");
    assert!(client.closed);
}

/// The literal of an over-long command is thrown away too, or it would be taken for commands.
#[test]
fn the_literal_of_a_long_line_is_no_command() {
    let mut client = Client::tls();
    client.send(b"");
    let line =
        [b"t7 LOGIN ".as_slice(), &[b'x'; 13_000], b" {9+}\r\nt9 NOOP\r\n\r\nt8 NOOP\r\n"].concat();
    assert_eq!(client.send(&line), "t7 BAD Command too long\r\nt8 OK NOOP completed\r\n");
}

#[test]
fn a_huge_announcement_costs_nothing() {
    for (command, answer) in [
        ("t LOGIN {2147483648}\r\n", "t NO [TOOBIG]"),
        ("t LOGIN fred {18446744073709551616}\r\n", "t NO [TOOBIG]"),
        ("t APPEND INBOX {2147483648}\r\n", "t BAD Log in first"),
    ] {
        let mut client = Client::tls();
        client.send(b"");
        let out = client.send(command.as_bytes());
        assert!(out.starts_with(answer) && !client.closed, "{out}");
        let mut client = Client::tls();
        client.send(b"");
        let out = client.send(command.replace('}', "+}").as_bytes());
        assert!(
            out.starts_with(answer) && out.contains("\r\n* BYE [TOOBIG]") && client.closed,
            "{out}"
        );
    }
    let mut client = Client::logged_in();
    let out = client.send(b"t APPEND INBOX {100001}\r\nu APPEND INBOX {100001+}\r\n");
    assert!(
        out.starts_with("t NO [TOOBIG]") && out.contains("u NO [TOOBIG]") && client.closed,
        "{out}"
    );
}

#[test]
fn errors_and_wrong_passwords_end_the_session() {
    let mut client = Client::tls();
    client.send(b"");
    let out = client.send("t FOO\r\n".repeat(100).as_bytes());
    assert_eq!(out.matches("t BAD").count(), 20);
    assert!(client.closed && out.ends_with("* BYE Too many errors\r\n"), "{out}");
    let mut client = Client::tls();
    client.send(b"");
    let out = client.send("t LOGIN fred wrong\r\nu NOOP\r\n".repeat(1_000).as_bytes());
    assert_eq!(out.matches("AUTHENTICATIONFAILED").count(), 20);
    assert!(client.closed);
    let mut client = Client::tls();
    client.send(b"");
    let out = client.send("t NOOP\r\n".repeat(1_000).as_bytes());
    assert!(client.closed && out.ends_with("* BYE Too many commands without login\r\n"));
    // Who is known may err, if not without end.
    let mut client = Client::logged_in();
    client.send("t FOO\r\nt NOOP\r\n".repeat(1_000).as_bytes());
    assert!(!client.closed);
    client.send("t FOO\r\n".repeat(20).as_bytes());
    assert!(client.closed);
}

#[test]
fn a_message_that_cannot_be_stored_is_read_to_its_end() {
    let mut client = Client::logged_in();
    let message = vec![b'x'; 90_000];
    client.send(b"t APPEND INBOX {90000+}\r\n");
    let mut out = String::new();
    for piece in message.chunks(10_000) {
        out += &client.send(piece);
        assert!(client.session.input().is_empty());
    }
    assert_eq!(out, "");
    assert_eq!(client.send(b"\r\nu NOOP\r\n"), "t NO [OVERQUOTA] Full\r\nu OK NOOP completed\r\n");
}

#[test]
fn the_end_comes_when_it_may() {
    let mut client = Client::selected();
    client.send(b"t IDLE\r\n");
    assert!(client.session.shut_down());
    assert_eq!(client.send(b""), "* BYE [UNAVAILABLE] Server is going down, connect again\r\n");
    assert!(client.closed);
    let mut client = Client::logged_in();
    client.send(b"t APPEND INBOX {5+}\r\nab");
    assert!(!client.session.shut_down());
    assert!(client.send(b"cde\r\n").starts_with("t OK") && client.session.shut_down());
    let mut client = Client::logged_in();
    client.session.timed_out();
    assert_eq!(client.send(b""), "* BYE Idle for too long\r\n");
}

/// A driver that waits for updates in IDLE has to see that the session is over.
#[test]
fn goodbye_in_idle_is_the_end() {
    let mut client = Client::selected();
    assert!(client.send(b"i IDLE\r\n").starts_with("+ "));
    assert!(client.session.is_idle() && !client.session.is_ending());
    client.session.bye(Some(&Code::NonExistent), "Gone");
    assert!(client.session.is_ending());
    assert!(client.send(b"").starts_with("* BYE [NONEXISTENT]") && client.closed);
    assert!(client.session.is_ending());
}

#[test]
fn nesting_and_counts_are_bounded() {
    let answer = |command: String| {
        let mut client = Client::selected();
        let out = client.send(format!("t {command}\r\n").as_bytes());
        out.lines().last().unwrap().to_owned()
    };
    let repeat = |unit: &str, count| unit.repeat(count);
    assert!(
        answer(format!("SEARCH {}ALL{}", repeat("(", 49), repeat(")", 49))).starts_with("t OK")
    );
    for command in [
        format!("SEARCH {}", repeat("(", 60_000)),
        format!("SEARCH {}ALL", repeat("NOT ", 15_000)),
        format!("SEARCH {}", repeat("OR ", 20_000)),
        format!("SEARCH ALL{}", repeat(" ALL", 1_001)),
        format!("FETCH 1{} UID", repeat(",1", 16_384)),
        format!("STORE 1 FLAGS ({}x)", (0..300).map(|n| format!("k{n} ")).collect::<String>()),
        format!("FETCH 1 ({}UID)", repeat("UID ", 256)),
        format!("LIST \"\" ({}a)", repeat("a ", 64)),
        format!("LIST \"\" {}", repeat("*a", 600)),
    ] {
        let out = answer(command);
        assert!(out.contains("[LIMIT]"), "{out}");
    }
    assert!(answer(format!("FETCH 1 BODY[{}1]", repeat("1.", 100))).starts_with("t BAD"));
    let literals = "{0+}\r\n ".repeat(300);
    assert!(answer(format!("SEARCH {literals}")).starts_with("t BAD"));
}

proptest! {
    #[test]
    fn a_byte_at_a_time_is_the_same(
        words in prop::collection::vec(prop::sample::select(vec![
            "a NOOP\r\n", "b SELECT INBOX\r\n", "c LOGIN fred secret\r\n", "c LOGIN fred ", "{6}\r\n", "{6+}\r\n",
            "secret\r\n", "d AUTHENTICATE PLAIN\r\n", "*\r\n", "AGZyZWQAc2VjcmV0\r\n", "e IDLE\r\n", "DONE\r\n",
            "f APPEND INBOX ", "f APPEND Nowhere ", "{3}\r\n", "{3+}\r\n", "abc", "\r\n", "\n", "\r", "\0", "g FETCH 1 ALL\r\n",
            "h SEARCH TEXT ", "i CREATE ", "\"x\"", "(", ")", " ", "j CLOSE\r\n", "k LOGOUT\r\n", "{9999}\r\n", "{9999+}\r\n",
            "m APPEND x CATENATE (", "URL /INBOX/;UID=1", "URL ", "TEXT {3+}\r\n", "TEXT {3}\r\n", "UTF8 (~{3+}\r\n", "abc)",
        ]), 0..40),
    ) {
        let input = words.concat();
        for client in [Client::tls, Client::logged_in, Client::selected] {
            let (mut whole, mut single) = (client(), client());
            let out_whole = whole.send(input.as_bytes());
            let mut out_single = single.send(b"");
            for byte in input.as_bytes() {
                out_single += &single.send(&[*byte]);
            }
            prop_assert_eq!(&out_whole, &out_single);
            prop_assert_eq!(whole.events, single.events);
            prop_assert_eq!(whole.closed, single.closed);
        }
    }

    #[test]
    fn any_octets_are_survived(input in prop::collection::vec(any::<u8>(), 0..600)) {
        for mut client in [Client::plain(), Client::tls(), Client::selected()] {
            client.send(&input);
        }
    }

    /// Commands of the transcripts, damaged: no panic, an answer for each complete line or literal, nothing kept
    /// beyond the limits.
    #[test]
    fn damaged_commands_are_survived(
        pick in any::<prop::sample::Index>(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let seeds = seeds();
        let mut input = seeds[pick.index(seeds.len())].clone();
        for (place, byte, kind) in wounds {
            let at = place.index(input.len() + 1);
            match kind {
                0 => input.insert(at, byte),
                1 if at < input.len() => { input.remove(at); }
                2 if at < input.len() => input[at] = byte,
                _ => { let tail = input.split_off(at); input.extend_from_slice(&tail[tail.len() / 2..]); }
            }
        }
        for mut client in [Client::tls(), Client::logged_in(), Client::selected()] {
            client.send(&input);
            let limit = client.session.limit();
            prop_assert!(client.session.command.len() <= limit + 64);
            prop_assert!(client.session.reader.input.len() <= limit.max(input.len()));
        }
    }
}

/// What clients send in the transcripts; read once, for who runs many cases.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    SEEDS.get_or_init(read_seeds)
}

fn read_seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/session/transcripts");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .flat_map(|text| text.lines().filter_map(client_input).collect::<Vec<_>>())
        .collect()
}
