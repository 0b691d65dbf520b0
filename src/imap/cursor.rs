//! Reading one command: a place in octets that are all there, and the small words of the grammar
//! (RFC 9051 §9). Every step moves forward, so a command costs time in proportion to its length.

use crate::capability::{Capabilities, Capability};
use crate::command::FetchItem;
use crate::response::{Code, Status};
use std::borrow::Cow;

/// Why a command was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// BAD for what is not understood, NO for what is not done.
    pub status: Status,
    /// The response code.
    pub code: Option<Code<'static>>,
    /// What is wrong.
    pub text: &'static str,
}

impl Refusal {
    pub(crate) const fn bad(text: &'static str) -> Self {
        Self { status: Status::Bad, code: None, text }
    }

    pub(crate) const fn no(code: Code<'static>, text: &'static str) -> Self {
        Self { status: Status::No, code: Some(code), text }
    }

    pub(crate) fn with(self, code: Code<'static>) -> Self {
        Self { code: Some(code), ..self }
    }
}

/// What a parser gives.
pub(crate) type Parsed<T> = Result<T, Refusal>;

/// What the grammar depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// What was announced.
    pub capabilities: Capabilities,
    /// What the client turned on.
    pub enabled: Capabilities,
}

impl Grammar {
    /// SEARCH answers with ESEARCH.
    pub(crate) fn rev2(&self) -> bool {
        self.enabled.has(Capability::Imap4Rev2)
    }

    /// No message numbers.
    pub(crate) fn uid_only(&self) -> bool {
        self.enabled.has(Capability::UidOnly)
    }

    /// Names are UTF-8.
    pub(crate) fn utf8(&self) -> bool {
        self.rev2() || self.enabled.has(Capability::Utf8Accept)
    }
}

/// A literal's announcement: `{12}`, `{12+}`, `~{12}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Literal {
    pub size: u64,
    /// The client waits for a continuation before it sends the octets.
    pub sync: bool,
    /// `literal8`: may hold NUL.
    pub binary: bool,
}

/// A place in a command. Literals stand in it as they were sent: `{3}`, CRLF, three octets.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    pub grammar: Grammar,
    /// The command is a SEARCH with SAVE: refused with NO it empties `$` (RFC 5182 §2.1).
    pub saves: bool,
    /// The command is one that enables CONDSTORE (RFC 7162 §3.1).
    pub condstore: bool,
    /// The command is a SEARCH over message numbers: no message may lose its number meanwhile.
    pub numbers: bool,
    /// The command holds a FUZZY key (RFC 6203).
    pub fuzzy: bool,
    /// The command holds a FILTER key (RFC 5466).
    pub filters: bool,
    /// Items that UPDATE wants of new messages (RFC 5465 §7).
    pub shown: Vec<FetchItem>,
}

/// Whether an octet may stand in an atom.
pub(crate) fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"(){%*"\]"#.contains(&byte)
}

fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], grammar: Grammar) -> Self {
        Self {
            rest: bytes,
            grammar,
            saves: false,
            condstore: false,
            numbers: false,
            fuzzy: false,
            filters: false,
            shown: Vec::new(),
        }
    }

    /// Refuses what belongs to a capability that was not announced.
    pub(crate) fn need(&self, capability: Capability) -> Parsed<()> {
        if self.grammar.capabilities.serves(capability) {
            Ok(())
        } else {
            Err(Refusal::bad("Belongs to an extension that is not announced"))
        }
    }

    /// As [`Cursor::need`] where either of two brings it.
    pub(crate) fn need_either(&self, one: Capability, other: Capability) -> Parsed<()> {
        self.need(one).or_else(|_| self.need(other))
    }

    /// Refuses message numbers where only UIDs are spoken of (RFC 9586).
    pub(crate) fn need_numbers(&self) -> Parsed<()> {
        if self.grammar.uid_only() {
            let text = "No message numbers once UIDONLY is enabled";
            return Err(Refusal::bad(text).with(Code::UidRequired));
        }
        Ok(())
    }

    /// Skips words and the space behind each.
    pub(crate) fn skip_words(&mut self, words: usize) -> bool {
        let mut word = || {
            self.some_run(|byte| byte.is_ascii_graphic(), "A word is missing").is_ok()
                && self.take(b' ')
        };
        (0..words).all(|_| word())
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes all that follows, without the line end.
    pub(crate) fn rest_of_line(&mut self) -> bytes::BytesMut {
        let rest = std::mem::take(&mut self.rest);
        rest.strip_suffix(b"\r\n").unwrap_or(rest).into()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { Err(Refusal::bad("Arguments follow where none may")) }
    }

    /// Takes an octet if it comes next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    pub(crate) fn byte(&mut self, byte: u8) -> Parsed<()> {
        if self.take(byte) { Ok(()) } else { Err(Refusal::bad(missing(byte))) }
    }

    pub(crate) fn space(&mut self) -> Parsed<()> {
        self.byte(b' ')
    }

    /// Takes a word if it comes next, without regard to case and to what follows.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.comes(word);
        if found {
            self.rest = &self.rest[word.len()..];
        }
        found
    }

    /// Whether this comes next, without regard to case.
    pub(crate) fn comes(&self, word: &str) -> bool {
        let head = self.rest.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn run(&mut self, legal: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.iter().position(|byte| !legal(*byte)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        // Only ASCII is legal in any run.
        std::str::from_utf8(run).unwrap_or_default()
    }

    fn some_run(&mut self, legal: impl Fn(u8) -> bool, text: &'static str) -> Parsed<&'a str> {
        let run = self.run(legal);
        if run.is_empty() { Err(Refusal::bad(text)) } else { Ok(run) }
    }

    pub(crate) fn atom(&mut self) -> Parsed<&'a str> {
        self.some_run(is_atom_char, "A word is missing")
    }

    /// Letters, digits, dots and dashes: names of items, which end before `[`, `<`, `(` or a space.
    pub(crate) fn name(&mut self) -> Parsed<&'a str> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        self.some_run(legal, "A name is missing")
    }

    pub(crate) fn tag(&mut self) -> Parsed<&'a str> {
        self.some_run(|byte| is_astring_char(byte) && byte != b'+', "A tag is missing")
    }

    /// An unsigned 32-bit number.
    pub(crate) fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| Refusal::bad("Number too large"))
    }

    /// An unsigned 63-bit number.
    pub(crate) fn number64(&mut self) -> Parsed<u64> {
        let digits = self.some_run(|byte| byte.is_ascii_digit(), "A number is missing")?;
        let number: u64 = digits.parse().map_err(|_| Refusal::bad("Number too large"))?;
        if number > i64::MAX as u64 {
            return Err(Refusal::bad("Number too large"));
        }
        Ok(number)
    }

    /// `string`: quoted or literal.
    pub(crate) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Refusal::bad("A string is missing")),
        }
    }

    pub(crate) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let run = self.some_run(is_astring_char, "A string is missing")?;
                Ok(Cow::Borrowed(run.as_bytes()))
            }
        }
    }

    /// `list-mailbox`: an astring that may hold wildcards bare.
    pub(crate) fn list_mailbox(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let run = self.some_run(is_list_char, "A mailbox pattern is missing")?;
                Ok(Cow::Borrowed(run.as_bytes()))
            }
        }
    }

    /// `nstring`.
    pub(crate) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.take_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `nstring / literal8`.
    pub(crate) fn nstring8(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        match self.peek() {
            Some(b'~') => self.literal().map(|octets| Some(Cow::Borrowed(octets))),
            _ => self.nstring(),
        }
    }

    /// An astring as text.
    pub(crate) fn text(&mut self) -> Parsed<String> {
        let bytes = self.astring()?;
        text_of(&bytes)
    }

    pub(crate) fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.byte(b'"')?;
        let Some(at) = memchr::memchr2(b'"', b'\\', self.rest) else {
            return Err(Refusal::bad("A quoted string does not end"));
        };
        let (run, rest) = self.rest.split_at(at);
        self.rest = rest;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut text = run.to_vec();
        loop {
            match self.rest.split_first() {
                Some((b'"', rest)) => {
                    self.rest = rest;
                    return Ok(Cow::Owned(text));
                }
                Some((b'\\', [escaped @ (b'"' | b'\\'), rest @ ..])) => {
                    text.push(*escaped);
                    self.rest = rest;
                }
                Some((b'\\', _)) => {
                    return Err(Refusal::bad("Only \" and \\ may follow \\ in a quoted string"));
                }
                // What follows a closing quote of an unfinished command is another line.
                Some((b'\r' | b'\n', _)) | None => {
                    return Err(Refusal::bad("A quoted string does not end"));
                }
                Some((byte, rest)) => {
                    text.push(*byte);
                    self.rest = rest;
                }
            }
        }
    }

    /// A literal, its octets included.
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        let literal = self.announcement()?;
        let size = usize::try_from(literal.size).unwrap_or(usize::MAX);
        let Some(octets) = self.rest.get(..size) else {
            return Err(Refusal::bad("A literal is missing"));
        };
        self.rest = &self.rest[size..];
        if !literal.binary && memchr::memchr(0, octets).is_some() {
            return Err(Refusal::bad("A literal holds NUL"));
        }
        Ok(octets)
    }

    /// `{12}` and its CRLF.
    pub(crate) fn announcement(&mut self) -> Parsed<Literal> {
        let binary = self.take(b'~');
        self.byte(b'{')?;
        let size = self.number64()?;
        let sync = !self.take(b'+');
        self.byte(b'}')?;
        self.byte(b'\r')?;
        self.byte(b'\n')?;
        Ok(Literal { size, sync, binary })
    }

    /// `"(" [item *(SP item)] ")"`, at most `most` items.
    pub(crate) fn list<T>(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.byte(b'(')?;
        let mut items = Vec::new();
        if self.take(b')') {
            return Ok(items);
        }
        loop {
            if items.len() >= most {
                return Err(Refusal::bad("Too many items in a list").with(Code::Limit));
            }
            items.push(item(self)?);
            if self.take(b')') {
                return Ok(items);
            }
            self.space()?;
        }
    }

    /// As [`Cursor::list`], but with at least one item.
    pub(crate) fn some_list<T>(
        &mut self,
        most: usize,
        item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let items = self.list(most, item)?;
        if items.is_empty() { Err(Refusal::bad("A list is empty")) } else { Ok(items) }
    }
}

/// Octets as text.
pub(crate) fn text_of(bytes: &[u8]) -> Parsed<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Refusal::bad("A string is not UTF-8")),
    }
}

fn missing(byte: u8) -> &'static str {
    match byte {
        b' ' => "An argument is missing",
        b'(' => "A parenthesis is missing",
        b')' => "A closing parenthesis is missing",
        b'[' | b']' => "A bracket is missing",
        b'"' => "A quotation mark is missing",
        b'{' | b'}' => "A literal is missing",
        _ => "Syntax error in arguments",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Everything announced, IMAP4rev2 not enabled.
    pub(crate) fn grammar() -> Grammar {
        Grammar { capabilities: Capabilities::all(), enabled: Capabilities::default() }
    }

    fn cursor(text: &str) -> Cursor<'_> {
        Cursor::new(text.as_bytes(), grammar())
    }

    #[test]
    fn strings() {
        assert_eq!(&*cursor("abc]d e").astring().unwrap(), b"abc]d");
        assert_eq!(&*cursor("\"a \\\"b\\\\\" x").astring().unwrap(), b"a \"b\\");
        assert_eq!(&*cursor("\"\"").string().unwrap(), b"");
        assert_eq!(&*cursor("{3}\r\na\"bc").string().unwrap(), b"a\"b");
        assert_eq!(&*cursor("{0+}\r\n").string().unwrap(), b"");
        for broken in ["", " ", "(", "\"a", "\"a\\b\"", "\"a\\", "{3}\r\nab", "{3\r\nabc", "{}\r\n"]
        {
            assert!(cursor(broken).astring().is_err(), "{broken}");
        }
        assert!(Cursor::new(b"{1}\r\n\0", grammar()).astring().is_err());
        assert_eq!(cursor("nil").nstring().unwrap(), None);
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(cursor("4294967295").number(), Ok(u32::MAX));
        assert!(cursor("4294967296").number().is_err());
        assert_eq!(cursor("9223372036854775807").number64(), Ok(i64::MAX as u64));
        assert!(cursor("9223372036854775808").number64().is_err());
        assert!(cursor("99999999999999999999999").number64().is_err());
        assert!(cursor("-1").number().is_err());
    }

    #[test]
    fn lists_are_bounded() {
        let read = |text: &str| cursor(text).list(3, |cursor| cursor.number());
        assert_eq!(read("()"), Ok(vec![]));
        assert_eq!(read("(1 2 3)"), Ok(vec![1, 2, 3]));
        assert!(read("(1 2 3 4)").is_err() && read("(1  2)").is_err() && read("(1").is_err());
        assert!(cursor("()").some_list(3, |cursor| cursor.number()).is_err());
    }
}
