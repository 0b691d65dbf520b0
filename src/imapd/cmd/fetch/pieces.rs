//! The octets behind FETCH's items, read before a line begins.

use crate::answer::{Answer, Stop};
use bytes::Bytes;
use imap::{BodySection, Code, FetchItem, SectionText};
use mail::{Body, Decoded, Mail, MailError, Message};
use message::{Part, Section, header_fields};
use std::ops::Range;
use std::sync::Arc;

/// Messages up to this are read once for all items.
const SMALL: u64 = 64 * 1024;
/// Ranges up to this are in memory before the line begins.
const WHOLE: u64 = 256 * 1024;
/// Octets of a header that HEADER.FIELDS looks at.
const MAX_HEADER: u64 = 1024 * 1024;

/// What an item shows.
pub(in crate::cmd) enum Piece {
    /// Nothing of the bytes.
    None,
    /// There is no such part.
    Nil,
    /// BINARY.SIZE
    Size(u64),
    /// These.
    Octets(Bytes),
    /// What comes.
    Stream(Box<Stream>),
}

/// A large range on its way.
pub(in crate::cmd) struct Stream {
    source: Source,
    skip: u64,
    left: u64,
}

enum Source {
    /// For a literal.
    Raw(Body),
    /// As it is, NUL and all: for a `literal8`.
    Exact(Body),
    Decoded(Decoded),
}

impl Stream {
    /// Octets in all.
    pub(in crate::cmd) fn len(&self) -> u64 {
        self.left
    }

    pub(in crate::cmd) async fn next(&mut self) -> Result<Option<Bytes>, MailError> {
        while self.left > 0 {
            let next = match &mut self.source {
                Source::Raw(body) => body.next().await?.map(without_nul),
                Source::Exact(body) => body.next().await?,
                Source::Decoded(decoded) => decoded.next().await?,
            };
            let Some(mut piece) = next else {
                return Err(MailError::Damaged("a body is shorter than was announced".into()));
            };
            let skipped = self.skip.min(piece.len() as u64);
            self.skip -= skipped;
            let _ = piece.split_to(skipped as usize);
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

/// A literal holds no NUL (RFC 9051 §9, CHAR8); messages that came by other ways may.
fn without_nul(octets: Bytes) -> Bytes {
    if !octets.contains(&0) {
        return octets;
    }
    octets.iter().map(|octet| if *octet == 0 { 0x80 } else { *octet }).collect()
}

/// The octets of all items, one for each.
pub(in crate::cmd) async fn read(
    mail: &Mail,
    message: &Arc<Message>,
    items: &[FetchItem],
) -> Result<Vec<Piece>, Stop> {
    let mut reader = Reader { mail, message, small: None };
    let mut pieces = Vec::with_capacity(items.len());
    for item in items {
        pieces.push(reader.item(item).await?);
    }
    Ok(pieces)
}

struct Reader<'a> {
    mail: &'a Mail,
    message: &'a Arc<Message>,
    /// All of a small message.
    small: Option<Bytes>,
}

impl Reader<'_> {
    async fn item(&mut self, item: &FetchItem) -> Result<Piece, Stop> {
        let whole = |text| BodySection { peek: true, part: Vec::new(), text, partial: None };
        match item {
            FetchItem::Section(section) => self.section(section).await,
            FetchItem::Rfc822 => self.section(&whole(SectionText::Whole)).await,
            FetchItem::Rfc822Header => self.section(&whole(SectionText::Header)).await,
            FetchItem::Rfc822Text => self.section(&whole(SectionText::Text)).await,
            FetchItem::Binary(section) => self.binary(section).await,
            FetchItem::BinarySize(part) => self.binary_size(part).await,
            _ => Ok(Piece::None),
        }
    }

    async fn section(&mut self, section: &BodySection) -> Result<Piece, Stop> {
        let structure = &self.message.structure;
        let kind = match &section.text {
            SectionText::Whole => Section::Whole,
            SectionText::Text => Section::Text,
            SectionText::Mime => Section::Mime,
            SectionText::Header | SectionText::HeaderFields { .. } => Section::Header,
        };
        let Some(range) = structure.section(&section.part, kind) else { return Ok(Piece::Nil) };
        if let SectionText::HeaderFields { names, not } = &section.text {
            let fields = self.fields(section.part.is_empty(), range, names, *not).await?;
            let clip = section.partial.map(|partial| partial.clip(fields.len() as u64));
            return Ok(Piece::Octets(match clip {
                Some(clip) => fields.slice(clip.start as usize..clip.end as usize),
                None => fields,
            }));
        }
        let clip = section.partial.map(|partial| partial.clip(range.end - range.start));
        let range = match clip {
            Some(clip) => range.start + clip.start..range.start + clip.end,
            None => range,
        };
        self.range(range).await
    }

    async fn range(&mut self, range: Range<u64>) -> Result<Piece, Stop> {
        let size = range.end - range.start;
        if size > WHOLE {
            let source = Source::Raw(self.mail.read(self.message, range).await?);
            return Ok(Piece::Stream(Box::new(Stream { source, skip: 0, left: size })));
        }
        Ok(Piece::Octets(without_nul(self.octets(range).await?)))
    }

    /// A small range at once.
    async fn octets(&mut self, range: Range<u64>) -> Result<Bytes, MailError> {
        let size = self.message.structure.size;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if size > SMALL {
            return Ok(self.mail.read(self.message, range).await?.collect().await?.into());
        }
        let all = match &self.small {
            Some(all) => all.clone(),
            None => {
                let all: Bytes =
                    self.mail.read(self.message, 0..size).await?.collect().await?.into();
                self.small.insert(all).clone()
            }
        };
        let end = (range.end as usize).min(all.len());
        Ok(all.slice((range.start as usize).min(end)..end))
    }

    async fn fields(
        &mut self,
        of_message: bool,
        header: Range<u64>,
        names: &[String],
        not: bool,
    ) -> Result<Bytes, MailError> {
        let structure = &self.message.structure;
        if of_message && !not && structure.covers(names) {
            let mut kept = Vec::with_capacity(512);
            for field in &structure.fields {
                kept.extend_from_slice(field.name.as_bytes());
                kept.push(b':');
                kept.extend_from_slice(&field.value);
            }
            return Ok(without_nul(header_fields(&kept, names, false).into()));
        }
        let header = header.start..header.end.min(header.start + MAX_HEADER);
        let block = self.octets(header).await?;
        Ok(without_nul(header_fields(&block, names, not).into()))
    }

    /// A part that can be decoded; `None`: there is none of this number.
    fn decodable(&self, number: &[u32]) -> Result<Option<&Part>, Stop> {
        let Some(part) = self.message.structure.part(number) else { return Ok(None) };
        if Mail::can_decode(&part.encoding) {
            return Ok(Some(part));
        }
        // RFC 3516 §4.3: "the server MUST … return a tagged NO with the UNKNOWN-CTE response code".
        Err(Answer::no(Code::UnknownCte, "Unknown Content-Transfer-Encoding").into())
    }

    async fn binary_size(&self, number: &[u32]) -> Result<Piece, Stop> {
        if number.is_empty() {
            return Ok(Piece::Size(self.message.structure.size));
        }
        match self.decodable(number)? {
            Some(part) => Ok(Piece::Size(self.mail.decoded_size(self.message, part).await?)),
            None => Ok(Piece::Size(0)),
        }
    }

    async fn binary(&self, section: &BodySection) -> Result<Piece, Stop> {
        if section.part.is_empty() {
            let size = self.message.structure.size;
            let range = section.partial.map_or(0..size, |partial| partial.clip(size));
            let left = range.end - range.start;
            let source = Source::Exact(self.mail.read(self.message, range).await?);
            return Ok(Piece::Stream(Box::new(Stream { source, skip: 0, left })));
        }
        let Some(part) = self.decodable(&section.part)? else { return Ok(Piece::Nil) };
        let size = self.mail.decoded_size(self.message, part).await?;
        let range = section.partial.map_or(0..size, |partial| partial.clip(size));
        let source = Source::Decoded(self.mail.read_decoded(self.message, part).await?);
        let (skip, left) = (range.start, range.end - range.start);
        Ok(Piece::Stream(Box::new(Stream { source, skip, left })))
    }
}
