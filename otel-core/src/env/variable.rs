//! What is known of a variable before it is read.

use std::borrow::Cow;

/// An environment variable: its name, what holds where it is not set, and what it may hold.
///
/// ```
/// use otel_core::env::Variable;
///
/// const TOKEN: Variable = Variable::new("SHOP_TOKEN", "", "text").secret();
/// assert_eq!(TOKEN.name(), "SHOP_TOKEN");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    is_secret: bool,
}

impl Variable {
    /// Describes a variable. The default is as it would stand in the variable; where there is none, it is empty. What is
    /// allowed completes a warning: `SHOP_ATTEMPTS: "many" is left out, allowed: a whole number`.
    pub const fn new(name: &'static str, default: &'static str, allowed: &'static str) -> Self {
        Self { name, default, allowed, is_secret: false }
    }

    /// Keeps the value out of warnings and of the [`Configuration`](super::Configuration): of `key=value` pairs the keys are
    /// shown, of anything else the length.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Returns the variable's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what holds where the variable is not set.
    pub const fn default_text(&self) -> &'static str {
        self.default
    }

    /// Returns what the variable may hold.
    pub const fn allowed(&self) -> &'static str {
        self.allowed
    }

    /// Returns a value as it may be shown.
    pub(super) fn shown<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if self.is_secret { mask(value).into() } else { hide_password(value) }
    }
}

/// Hides what stands behind each key, or all where there are no keys.
fn mask(value: &str) -> String {
    let masked: Vec<String> = value
        .split(',')
        .take(MAX_SHOWN_PAIRS)
        .map(|pair| match pair.split_once('=') {
            Some((key, secret)) => format!("{}={}", cut(key.trim()), stars(secret.trim())),
            None => stars(pair.trim()),
        })
        .collect();
    masked.join(",")
}

/// Tells how long a secret is, by which one that was cut off shows.
fn stars(secret: &str) -> String {
    format!("*** ({} characters)", secret.chars().count())
}

/// Hides what a URL has in front of its host, and shortens what is too long for a line: in this order, since the password
/// of one that is cut could not be told from its host.
fn hide_password(value: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = value.split_once("://") else { return cut(value).into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(end) => cut(&format!("{scheme}://***{}", &rest[end..])).to_owned().into(),
        None => cut(value).into(),
    }
}

/// Shortens what is too long for a line.
fn cut(value: &str) -> &str {
    value.char_indices().nth(MAX_SHOWN_CHARS).map_or(value, |(end, _)| &value[..end])
}

const MAX_SHOWN_CHARS: usize = 200;
const MAX_SHOWN_PAIRS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_secret_keys_and_lengths_are_shown() {
        let headers = Variable::new("HEADERS", "", "key=value").secret();
        for (value, expected) in [
            ("token=abcdef", "token=*** (6 characters)"),
            (" a = b , c=d=e ", "a=*** (1 characters),c=*** (3 characters)"),
            ("abcdef", "*** (6 characters)"),
            ("a=", "a=*** (0 characters)"),
        ] {
            assert_eq!(headers.shown(value), expected, "value {value:?}");
        }
        assert!(headers.shown(&"k=v,".repeat(100_000)).len() < 1000);
        assert!(headers.shown(&"s".repeat(1 << 20)).len() < 100);
        assert!(headers.shown(&format!("{}=v", "k".repeat(1 << 20))).len() < 300);
    }

    #[test]
    fn other_values_are_shown_but_for_passwords_in_urls_and_what_is_too_long() {
        let endpoint = Variable::new("ENDPOINT", "", "a URL");
        for (value, expected) in [
            ("http://localhost:4318", "http://localhost:4318"),
            ("https://me:secret@collector:4318/v1", "https://***@collector:4318/v1"),
            ("https://me:a@b@collector", "https://***@collector"),
            ("http://collector/a@b", "http://collector/a@b"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(endpoint.shown(value), expected, "value {value:?}");
        }
        assert_eq!(endpoint.shown(&"ä".repeat(1 << 20)), "ä".repeat(200));
        assert_eq!(endpoint.shown(&format!("http://{}@host", "s".repeat(300))), "http://***@host");
    }
}
