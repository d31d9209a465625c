//! What carriers allow in a text: tokens, and percent-coding for everything else.

use std::borrow::Cow;

use super::hex;

/// Tells whether a text can be the name of a header, or a key in one: RFC 7230's `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Takes spaces and tabs off both ends: what HTTP calls optional whitespace.
pub(super) fn trimmed(text: &str) -> &str {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    match text.as_bytes() {
        // Nearly always there is none.
        [first, .., last] if !is_blank(first) && !is_blank(last) => text,
        _ => text.trim_matches([' ', '\t']),
    }
}

/// Appends a text with every byte that is not plain as `%XX`; a space is `%20`, never `+`.
pub(super) fn push_percent_encoded(into: &mut String, text: &str, is_plain: fn(u8) -> bool) {
    for byte in text.bytes() {
        if byte.is_ascii() && is_plain(byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(UPPER_DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(UPPER_DIGITS[usize::from(byte & 0xF)]));
        }
    }
}

/// Takes percent-coding off; copies only where there is some. `None` for a text with a `%` that stands before anything
/// but two digits, or one that is not UTF-8 afterwards.
pub(crate) fn percent_decoded(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    match decoded(text, plus) {
        None => Some(Cow::Borrowed(text)),
        Some((bytes, true)) => String::from_utf8(bytes).ok().map(Cow::Owned),
        Some((_, false)) => None,
    }
}

/// Takes percent-coding off where there is some: a `%` before anything but two digits stays, and what is not UTF-8
/// afterwards becomes U+FFFD.
pub(super) fn percent_decoded_lossy(text: &str) -> Cow<'_, str> {
    match decoded(text, Plus::Literal) {
        None => Cow::Borrowed(text),
        Some((bytes, _)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// What a `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plus {
    /// Itself.
    Literal,
    /// A space, as HTML forms write it.
    Space,
}

/// Returns the bytes, and whether every `%` stood before two digits; `None` where there is nothing to decode.
fn decoded(text: &str, plus: Plus) -> Option<(Vec<u8>, bool)> {
    let is_coded = |byte: u8| byte == b'%' || byte == b'+' && plus == Plus::Space;
    let n_plain = text.bytes().position(is_coded)?;
    let (plain, mut rest) = text.as_bytes().split_at(n_plain);
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(plain);
    let mut is_clean = true;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'+' if plus == Plus::Space => bytes.push(b' '),
            b'%' => match escaped_byte(after) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.push(b'%');
                    is_clean = false;
                }
            },
            byte => bytes.push(*byte),
        }
    }
    Some((bytes, is_clean))
}

/// Reads the two digits behind a `%`.
pub(super) fn escaped_byte(after: &[u8]) -> Option<u8> {
    let [high, low, ..] = after else { return None };
    Some(hex::digit(*high)? << 4 | hex::digit(*low)?)
}

const UPPER_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_may_name_a_header() {
        for (text, expected) in [
            ("user-id", true),
            ("!#$%&'*+-.^_`|~09azAZ", true),
            ("", false),
            ("user id", false),
            ("user:id", false),
            ("user\r\nid", false),
            ("käse", false),
            ("a=b", false),
            ("a,b", false),
            ("a\0", false),
        ] {
            assert_eq!(is_token(text), expected, "text {text:?}");
        }
    }

    #[test]
    fn decoding_takes_percent_signs_and_if_asked_plus_signs() {
        for (text, literal, space) in [
            ("plain", Some("plain"), Some("plain")),
            ("a%20b+c", Some("a b+c"), Some("a b c")),
            ("%C3%A4%c3%a4", Some("ää"), Some("ää")),
            ("ä%2B", Some("ä+"), Some("ä+")),
            ("%2520", Some("%20"), Some("%20")), // once, not twice
            ("100%", None, None),
            ("%4", None, None),
            ("%zz", None, None),
            ("%+1", None, None),
            ("%FF", None, None),
            ("%C3", None, None),
            ("", Some(""), Some("")),
        ] {
            let decoded = |plus| percent_decoded(text, plus).map(Cow::into_owned);
            assert_eq!(decoded(Plus::Literal).as_deref(), literal, "text {text:?}");
            assert_eq!(decoded(Plus::Space).as_deref(), space, "text {text:?}, + is a space");
        }
    }

    #[test]
    fn lossy_decoding_keeps_what_is_no_escape_and_marks_what_is_no_text() {
        for (text, expected) in [
            ("100%", "100%"),
            ("%zz%20", "%zz "),
            ("%FFa", "\u{FFFD}a"),
            ("%%41", "%A"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(percent_decoded_lossy(text), expected, "text {text:?}");
        }
    }

    #[test]
    fn encoding_comes_back_and_shows_nothing_but_visible_ascii() {
        let text = "a b+c%\r\n\0ä€😀\u{7f}/:";
        let mut encoded = String::new();
        push_percent_encoded(&mut encoded, text, |byte| byte.is_ascii_alphanumeric());
        assert_eq!(&encoded[..14], "a%20b%2Bc%25%0");
        assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(percent_decoded(&encoded, Plus::Space).as_deref(), Some(text));
    }
}
