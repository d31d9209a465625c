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

/// Hides what may be secret in a URL: what it has in front of its host and in its query. Then shortens what is too long for a
/// line: in this order, since the password of one that is cut could not be told from its host.
fn hide_password(value: &str) -> Cow<'_, str> {
    let (scheme, rest) = match value.find("://") {
        Some(end) => value.split_at(end + "://".len()),
        None if value.contains([',', '=', ' ']) => return cut(value).into(),
        None => ("", value),
    };
    let is_url = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && !scheme.contains([',', '=', ' ']);
    let (secret, host) = rest.split_at(host_start(rest));
    // Without a scheme it is a URL only if there is a password.
    let has_secret = !secret.is_empty() && (!scheme.is_empty() || secret.contains(':'));
    let query = host.find('?').filter(|_| is_url);
    if !has_secret && query.is_none() {
        return cut(value).into();
    }
    let user = if has_secret { "***@" } else { secret };
    let (host, query) = query.map_or((host, ""), |start| (&host[..start], "?***"));
    cut(&format!("{scheme}{user}{host}{query}")).to_owned().into()
}

/// Returns where the host begins in what follows the scheme of a URL: behind a name and a password, where they are.
///
/// A `/`, `?` or `#` in a password is to be percent-coded. Where it is not, the host seems to be the name, and what follows its
/// colon is no port: then all up to the last `@` counts as the password.
pub(crate) fn host_start(rest: &str) -> usize {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let end = authority.rfind('@').or_else(|| {
        let behind_address = authority.rsplit(']').next().unwrap_or_default();
        let (_, port) = behind_address.split_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        rest.rfind('@').filter(|_| !is_port)
    });
    end.map_or(0, |end| end + 1)
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
            ("me:secret@collector:4318", "***@collector:4318"),
            ("http://me:se?cret@collector:4318", "http://***@collector:4318"),
            ("http://me:se/cret@collector:4318", "http://***@collector:4318"),
            ("http://me:se#cret@collector:4318", "http://***@collector:4318"),
            ("http://collector:4318/a@b", "http://collector:4318/a@b"),
            ("http://[::1]:4318/a@b", "http://[::1]:4318/a@b"),
            ("http://collector/v1?token=secret", "http://collector/v1?***"),
            ("owner=team:me@shop,url=http://a?b,c=d", "owner=team:me@shop,url=http://a?b,c=d"),
        ] {
            assert_eq!(endpoint.shown(value), expected, "value {value:?}");
        }
        assert_eq!(endpoint.shown(&"ä".repeat(1 << 20)), "ä".repeat(200));
        assert_eq!(endpoint.shown(&format!("http://{}@host", "s".repeat(300))), "http://***@host");
    }
}
