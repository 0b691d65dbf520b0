//! `value; name=value` fields: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231).

/// Most parameters taken from one field.
const MAX_PARAMS: usize = 32;

/// The main value and its parameters, names as written, RFC 2231 continuations joined (a joined parameter
/// with percent-encoding keeps its final `*` and its encoding, as IMAP clients expect).
pub(crate) fn parse(text: &str) -> (String, Vec<(String, String)>) {
    let mut reader = Reader { rest: text };
    let main = reader.until_semicolon();
    let mut raw = Vec::new();
    while raw.len() < MAX_PARAMS {
        match reader.param() {
            Some(param) => raw.push(param),
            None => break,
        }
    }
    (main, join_continuations(raw))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn until_semicolon(&mut self) -> String {
        let text = strip_comments(self.rest);
        let end = text.find(';').unwrap_or(text.len());
        let main = text[..end].trim().to_owned();
        let skip = self.rest.find(';').map_or(self.rest.len(), |at| at + 1);
        self.rest = &self.rest[skip..];
        main
    }

    fn param(&mut self) -> Option<(String, String)> {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.find(['=', ';']).unwrap_or(self.rest.len());
            let name = self.rest[..end].trim().to_owned();
            let has_value = self.rest[end..].starts_with('=');
            self.rest = self.rest.get(end + 1..).unwrap_or("");
            if has_value && !name.is_empty() {
                return Some((name, self.value()));
            }
        }
    }

    fn value(&mut self) -> String {
        self.rest = self.rest.trim_start();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let mut out = String::new();
            let mut chars = quoted.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        self.rest = &quoted[at + 1..];
                        return out;
                    }
                    '\\' => out.extend(chars.next().map(|(_, escaped)| escaped)),
                    _ => out.push(c),
                }
            }
            self.rest = "";
            return out;
        }
        let end = self.rest.find(';').unwrap_or(self.rest.len());
        let value = strip_comments(&self.rest[..end]).trim().to_owned();
        self.rest = &self.rest[end..];
        value
    }
}

fn strip_comments(text: &str) -> String {
    if !text.contains('(') {
        return text.to_owned();
    }
    let mut depth = 0usize;
    let mut quoted = false;
    text.chars()
        .filter(|c| {
            match c {
                '"' if depth == 0 => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted && depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// `name*0`, `name*1*`, … become one parameter in number order.
fn join_continuations(raw: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::with_capacity(raw.len());
    let mut pieces: Vec<(String, u32, bool, String)> = Vec::new();
    for (name, value) in raw {
        match continuation(&name) {
            Some((base, number, extended)) => {
                pieces.push((base.to_owned(), number, extended, value))
            }
            None => out.push((name, value)),
        }
    }
    pieces.sort_by_key(|piece| (piece.0.to_ascii_lowercase(), piece.1));
    for group in pieces.chunk_by(|a, b| a.0.eq_ignore_ascii_case(&b.0)) {
        let star = if group.iter().any(|piece| piece.2) { "*" } else { "" };
        let value = group.iter().map(|piece| piece.3.as_str()).collect();
        out.push((format!("{}{star}", group[0].0), value));
    }
    out
}

fn continuation(name: &str) -> Option<(&str, u32, bool)> {
    let (name, extended) = match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (base, number) = name.rsplit_once('*')?;
    Some((base, number.parse().ok()?, extended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Vec<(String, String)> {
        parse(text).1
    }

    #[test]
    fn ordinary_and_quoted() {
        let (main, params) = parse("text/plain (x); charset=\"utf-8\"; format=flowed (c)");
        assert_eq!(main, "text/plain");
        assert_eq!(
            params,
            [("charset".into(), "utf-8".into()), ("format".into(), "flowed".into())]
        );
    }

    #[test]
    fn quoted_semicolons_and_escapes() {
        assert_eq!(params("a/b; name=\"x;\\\"y\"; z=1")[0].1, "x;\"y");
        assert_eq!(params("a/b; name=\"unterminated")[0].1, "unterminated");
    }

    #[test]
    fn continuations_join() {
        let found = params("a/b; n*1*=%20b; n*0*=utf-8''a; m*0=x; m*1=y");
        assert_eq!(found, [("m".into(), "xy".into()), ("n*".into(), "utf-8''a%20b".into())]);
    }

    #[test]
    fn nonsense_is_survived() {
        for text in ["", ";;;", "=", "; =x", "a; b", "((((", "a;\"", "x; y=\"\\"] {
            let _ = parse(text);
        }
    }
}
