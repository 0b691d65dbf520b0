//! The commands, declared once: name, where they are legal, whether they end a pipelined group.

use crate::config::Role;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before EHLO.
    Connected,
    /// Greeted, no transaction.
    Ready,
    /// MAIL was accepted, no recipient yet.
    Mail,
    /// At least one recipient was accepted.
    Rcpt,
    /// Between BDAT chunks.
    Bdat,
    /// An AUTH exchange is under way.
    Auth,
    /// Message text is coming.
    Data,
    /// Nothing more will be read.
    Closed,
}

/// A command's declaration.
#[derive(Debug)]
pub struct CommandSpec {
    /// The verb.
    pub name: &'static str,
    /// What it means.
    pub verb: Verb,
    /// Stages in which it is legal.
    pub stages: &'static [Stage],
    /// RFC 2920 §3.1: whether it must be the last of a pipelined group.
    pub last_in_group: bool,
    /// Whether it is legal on a listener of this role.
    pub roles: &'static [Role],
    /// Where it is defined.
    pub rfc: &'static str,
}

/// What a verb means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Helo,
    Ehlo,
    Lhlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
}

use Role::{Lmtp, Smtp, Submission};
use Stage::{Bdat, Connected, Mail, Rcpt, Ready};

const ANY: &[Stage] = &[Connected, Ready, Mail, Rcpt, Bdat];
const GREETED: &[Stage] = &[Ready, Mail, Rcpt, Bdat];
const HELLO: &[Stage] = &[Connected, Ready, Mail, Rcpt, Bdat];
const ALL: &[Role] = &[Smtp, Submission, Lmtp];

/// Every command there is.
pub const COMMANDS: &[CommandSpec] = &[
    spec("EHLO", Verb::Ehlo, HELLO, true, &[Smtp, Submission], "RFC 5321 4.1.1.1"),
    spec("HELO", Verb::Helo, HELLO, true, &[Smtp, Submission], "RFC 5321 4.1.1.1"),
    spec("LHLO", Verb::Lhlo, HELLO, true, &[Lmtp], "RFC 2033 4.1"),
    spec("STARTTLS", Verb::StartTls, &[Connected, Ready], true, ALL, "RFC 3207 4"),
    spec("AUTH", Verb::Auth, &[Ready], true, &[Submission], "RFC 4954 4"),
    spec("MAIL", Verb::Mail, &[Ready], false, ALL, "RFC 5321 4.1.1.2"),
    spec("RCPT", Verb::Rcpt, &[Mail, Rcpt], false, ALL, "RFC 5321 4.1.1.3"),
    spec("DATA", Verb::Data, &[Rcpt], true, ALL, "RFC 5321 4.1.1.4"),
    spec("BDAT", Verb::Bdat, &[Rcpt, Bdat], false, ALL, "RFC 3030 2"),
    spec("RSET", Verb::Rset, GREETED, false, ALL, "RFC 5321 4.1.1.5"),
    spec("NOOP", Verb::Noop, ANY, true, ALL, "RFC 5321 4.1.1.9"),
    spec("VRFY", Verb::Vrfy, GREETED, true, ALL, "RFC 5321 4.1.1.6"),
    spec("EXPN", Verb::Expn, GREETED, true, ALL, "RFC 5321 4.1.1.7"),
    spec("HELP", Verb::Help, ANY, false, ALL, "RFC 5321 4.1.1.8"),
    spec("QUIT", Verb::Quit, ANY, true, ALL, "RFC 5321 4.1.1.10"),
];

const fn spec(
    name: &'static str,
    verb: Verb,
    stages: &'static [Stage],
    last_in_group: bool,
    roles: &'static [Role],
    rfc: &'static str,
) -> CommandSpec {
    CommandSpec { name, verb, stages, last_in_group, roles, rfc }
}

/// The declaration for a verb as written.
pub(crate) fn find(name: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
}
