//! E-mail addresses as this server compares and stores them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An address in the form it is looked up by: local part lower-cased, domain as lower-case
/// A-labels (RFC 5890). The spelling a peer used is kept elsewhere when it matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    text: String,
    at: usize,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing on one side of it.
    #[error("an address looks like name@example.org")]
    Shape,
    /// Over 64 octets before the `@` or 255 after it (RFC 5321 §4.5.3.1).
    #[error("the address is too long")]
    Length,
    /// A space, a control character or an angle bracket.
    #[error("the address holds a character that is not allowed")]
    Character,
    /// The part after the `@` is no domain name.
    #[error("the part after @ is not a domain name")]
    Domain,
}

impl EmailAddress {
    /// Reads and normalises `local@domain`. A quoted local part is given without its quotes.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Shape)?;
        Self::from_parts(local, domain)
    }

    /// As [`EmailAddress::parse`] with the parts already apart.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong.
    pub fn from_parts(local: &str, domain: &str) -> Result<Self, AddressError> {
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape);
        }
        // Lower-casing can lengthen a text; what is kept has to be an address again.
        let lower = local.to_lowercase();
        if local.len().max(lower.len()) > 64 {
            return Err(AddressError::Length);
        }
        if local.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>')) {
            return Err(AddressError::Character);
        }
        let domain = normalise_domain(domain)?;
        Ok(Self { text: format!("{lower}@{domain}"), at: lower.len() })
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// This address without its `+detail` (RFC 5233), if it has one.
    #[must_use]
    pub fn without_detail(&self) -> Option<EmailAddress> {
        let (user, _) = self.local_part().split_once('+')?;
        if user.is_empty() {
            return None;
        }
        Some(Self { text: format!("{user}@{}", self.domain()), at: user.len() })
    }

    /// Lower-case A-labels of a domain name.
    ///
    /// # Errors
    /// [`AddressError::Domain`] when it is none, [`AddressError::Length`] over 255 octets.
    pub fn normalise_domain(domain: &str) -> Result<String, AddressError> {
        normalise_domain(domain)
    }
}

fn normalise_domain(domain: &str) -> Result<String, AddressError> {
    if domain.len() > 255 {
        return Err(AddressError::Length);
    }
    let ascii = idna::domain_to_ascii_strict(domain.trim_end_matches('.'))
        .map_err(|_| AddressError::Domain)?;
    if ascii.is_empty() || ascii.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(AddressError::Domain);
    }
    Ok(ascii)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> String {
        address.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises() {
        let address = EmailAddress::parse("Jörg+News@Bücher.Example").unwrap();
        assert_eq!(address.as_str(), "jörg+news@xn--bcher-kva.example");
        assert_eq!(address.without_detail().unwrap().as_str(), "jörg@xn--bcher-kva.example");
        assert_eq!(address.local_part(), "jörg+news");
    }

    #[test]
    fn refuses_nonsense() {
        for text in ["", "a", "@b", "a@", "a b@c", "a@b..c", "a\u{0}@b.c", "a@-b.c"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@b.c", "\u{130}".repeat(32))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived_and_normal_is_stable(text in "[a-zA-Z+.@äÄß\\u{130}\\u{0}\"<> -]{0,40}|.{0,80}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                let again = EmailAddress::parse(address.as_str());
                proptest::prop_assert_eq!(again.as_ref(), Ok(&address));
                let parts = format!("{}@{}", address.local_part(), address.domain());
                proptest::prop_assert_eq!(parts.as_str(), address.as_str());
                let base = address.without_detail();
                proptest::prop_assert!(base.is_none_or(|base| base.domain() == address.domain()));
            }
        }
    }
}
