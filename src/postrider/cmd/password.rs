//! Passwords: from stdin or a prompt, never from the command line, where others can read them.

use crate::exit::{Failure, Outcome};
use secrecy::SecretString;
use std::io::{IsTerminal, Read};

/// Longest line read from stdin.
const LONGEST: u64 = 4096;

/// A new password.
///
/// # Errors
/// None was given, or the two typed ones differ.
pub fn new(from_stdin: bool, address: &str) -> Outcome<SecretString> {
    if from_stdin {
        return first_line(std::io::stdin().lock());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no password: pipe it in with --password-stdin, or run this in a terminal",
        ));
    }
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(SecretString::from)
            .map_err(|error| Failure::failed(format!("the terminal: {error}")))
    };
    let first = ask(format!("Password for {address}: "))?;
    let again = ask("Again: ".into())?;
    use secrecy::ExposeSecret;
    if first.expose_secret() != again.expose_secret() {
        return Err(Failure::usage("the two passwords differ"));
    }
    checked(first)
}

/// One that somebody else gave: from stdin, or asked for once in a terminal.
///
/// # Errors
/// None was given.
pub fn secret(user: &str) -> Outcome<SecretString> {
    if !std::io::stdin().is_terminal() {
        return first_line(std::io::stdin().lock());
    }
    let typed = rpassword::prompt_password(format!("Password of {user}: "));
    checked(typed.map_err(|error| Failure::failed(format!("the terminal: {error}")))?.into())
}

fn first_line(input: impl Read) -> Outcome<SecretString> {
    let mut text = String::new();
    let wrong = |error: std::io::Error| Failure::usage(format!("the password on stdin: {error}"));
    input.take(LONGEST).read_to_string(&mut text).map_err(wrong)?;
    checked(SecretString::from(text.lines().next().unwrap_or_default().to_owned()))
}

fn checked(password: SecretString) -> Outcome<SecretString> {
    use secrecy::ExposeSecret;
    if password.expose_secret().is_empty() {
        return Err(Failure::usage("the password is empty"));
    }
    Ok(password)
}

/// Something no one guesses and everyone can type: 16 of 32 letters and digits, 80 bits.
pub fn random() -> String {
    use rand::Rng;
    // Without i, l, o and 1, which look like each other.
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut rng = rand::rng();
    let mut group = || -> String {
        (0..4).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
    };
    [group(), group(), group(), group()].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_first_line_counts() {
        let read = |text: &str| first_line(text.as_bytes()).map(|p| p.expose_secret().to_owned());
        assert_eq!(read("secret\r\nmore\n").unwrap(), "secret");
        assert_eq!(read(" blanks stay \n").unwrap(), " blanks stay ");
        assert!(read("").is_err());
        assert!(read("\nsecond").is_err());
    }

    #[test]
    fn random_ones_differ() {
        let (a, b) = (random(), random());
        assert_ne!(a, b);
        assert_eq!(a.len(), 19);
    }
}
