//! Connection texts without their passwords.

const HIDDEN: &str = "***";

/// A URL or a `key=value` text with every password replaced.
pub fn redact_url(text: &str) -> String {
    hide_parameters(&hide_userinfo(text))
}

/// `scheme://user:password@host`: between the first `:` and the last `@` of the authority. A password that
/// was not percent-encoded may hold `/`, so the authority is looked for generously.
fn hide_userinfo(text: &str) -> String {
    let Some(start) = text.find("://").map(|at| at + 3) else { return text.to_owned() };
    let end = text[start..].find(['?', ' ']).map_or(text.len(), |at| start + at);
    let Some(at) = text[start..end].rfind('@').map(|at| start + at) else {
        return text.to_owned();
    };
    match text[start..at].find(':') {
        Some(colon) => format!("{}:{HIDDEN}{}", &text[..start + colon], &text[at..]),
        None => text.to_owned(),
    }
}

/// `password=…` and `password = '…'`, also as a URL's parameter.
fn hide_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find("password") {
        let after = at + "password".len();
        out.push_str(&rest[..after]);
        rest = &rest[after..];
        let Some(value) = rest.trim_start().strip_prefix('=') else { continue };
        out.push('=');
        out.push_str(HIDDEN);
        rest = after_value(value.trim_start());
    }
    out.push_str(rest);
    out
}

/// What follows a value: quoted with `'` and backslashes, or up to a blank or `&`.
fn after_value(text: &str) -> &str {
    let Some(quoted) = text.strip_prefix('\'') else {
        return text.find([' ', '&', '\t']).map_or("", |at| &text[at..]);
    };
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '\'' if !escaped => return &quoted[at + 1..],
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        let cases = [
            ("postgres://u:s3cret@h/db", "postgres://u:***@h/db"),
            ("postgres://u:s3@c/ret@h:1,i:2/db?x=1", "postgres://u:***@h:1,i:2/db?x=1"),
            ("postgres://u@h/db?password=s3cret&x=1", "postgres://u@h/db?password=***&x=1"),
            ("host=/run user=u password=s3cret dbname=d", "host=/run user=u password=*** dbname=d"),
            ("PASSWORD = 's3 cr\\'et' user=u", "PASSWORD=*** user=u"),
            ("redis://:s3cret@h:6379/1", "redis://:***@h:6379/1"),
            ("host=/run user=u", "host=/run user=u"),
            ("password='s3cret", "password=***"),
        ];
        for (text, hidden) in cases {
            assert_eq!(redact_url(text), hidden);
        }
    }
}
