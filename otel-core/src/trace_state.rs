//! What vendors hand along beside a trace id: W3C's `tracestate`.

use std::borrow::Cow;
use std::fmt;

use crate::diagnostics;

/// A list of keys and values that travels with a trace, the newest first: W3C's `tracestate`. Never changes, always
/// valid.
///
/// A key starts with `a`–`z` or `0`–`9` and goes on with these or `_ - * / @`, 256 characters at the most. A value is
/// 1 to 256 visible ASCII characters or spaces, without `,` and `=`, and does not end in a space. There are 32 members
/// at the most, each key once.
///
/// ```
/// use otel_core::TraceState;
///
/// let received = TraceState::parse("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE").unwrap();
/// let sent = received.with("congo", "ours").with("ot", "th:8");
/// assert_eq!(sent.to_string(), "ot=th:8,congo=ours,rojo=00f067aa0ba902b7");
/// assert_eq!(received.get("congo"), Some("t61rcWkgMzE"));
/// ```
///
/// Source: `w3c/trace-context:spec/20-http_request_header_format.md` (Level 2), §3.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState {
    /// `key=value` joined by commas: nothing in a key or a value needs escaping.
    list: String,
}

impl TraceState {
    /// No members.
    pub const EMPTY: &'static Self = &Self { list: String::new() };

    /// Reads the value of a `tracestate` header.
    ///
    /// Spaces and tabs around members and empty members are passed over; of a repeated key the first stays. `None` for
    /// a list with an invalid member, or with more than 32: such a list is thrown away as a whole.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = TraceStateParser::default();
        parser.push_header(text);
        parser.finish()
    }

    /// Returns a list in which `key` has this value and stands first.
    ///
    /// An invalid key or value changes nothing and is warned about. With 32 others there, the last one makes room.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        if !is_key(key) || !is_value(value) {
            let message = format_args!("trace state cannot take {key:?} with the value {value:?}");
            diagnostics::warn("invalid trace state member", message);
            return self.clone();
        }
        let mut list = String::with_capacity(key.len() + value.len() + 2 + self.list.len());
        push_member(&mut list, key, value);
        let others = self.iter().filter(|(other, _)| *other != key);
        others.take(MAX_MEMBERS - 1).for_each(|(key, value)| push_member(&mut list, key, value));
        Self { list }
    }

    /// Returns a list without `key`.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        let mut list = String::new();
        let others = self.iter().filter(|(other, _)| *other != key);
        others.for_each(|(key, value)| push_member(&mut list, key, value));
        Self { list }
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// Visits keys with their values, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.split(',').filter_map(|member| member.split_once('='))
    }

    /// Tells whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the list as it is sent: 513 characters at the most, the size of the longest single member (W3C asks for
    /// 512 at least).
    ///
    /// From a longer list whole members are left out: those of more than 128 characters first, then the others, the
    /// last ones first in both cases.
    pub fn header(&self) -> Cow<'_, str> {
        if self.list.len() <= MAX_HEADER_CHARS {
            return Cow::Borrowed(&self.list);
        }
        let mut members: Vec<&str> = self.list.split(',').collect();
        let mut n_chars = self.list.len();
        for longer_than in [LONG_MEMBER_CHARS, 0] {
            for member in members.iter_mut().rev() {
                if n_chars > MAX_HEADER_CHARS && member.len() > longer_than {
                    n_chars -= member.len() + 1;
                    *member = "";
                }
            }
        }
        members.retain(|member| !member.is_empty());
        Cow::Owned(members.join(","))
    }
}

impl fmt::Display for TraceState {
    /// Writes the whole list, whatever its length; see [`header`](Self::header).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.list)
    }
}

/// Reads a list that may be spread over several headers.
#[derive(Debug, Default)]
pub(crate) struct TraceStateParser {
    state: TraceState,
    n_members: usize,
    is_invalid: bool,
}

impl TraceStateParser {
    /// Reads the next header: its members follow those before.
    pub(crate) fn push_header(&mut self, header: &str) {
        for member in header.split(',').map(|member| member.trim_matches(OPTIONAL_WHITESPACE)) {
            // What follows an invalid member changes nothing, and costs nothing.
            if self.is_invalid {
                return;
            }
            if !member.is_empty() {
                self.is_invalid = self.push_member(member).is_none();
            }
        }
    }

    /// Returns the list; `None` where a member was invalid or there were too many.
    pub(crate) fn finish(self) -> Option<TraceState> {
        (!self.is_invalid).then_some(self.state)
    }

    fn push_member(&mut self, member: &str) -> Option<()> {
        let (key, value) = member.split_once('=')?;
        self.n_members += 1;
        if self.n_members > MAX_MEMBERS || !is_key(key) || !is_value(value) {
            return None;
        }
        if self.state.get(key).is_none() {
            push_member(&mut self.state.list, key, value);
        }
        Some(())
    }
}

fn push_member(list: &mut String, key: &str, value: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(key);
    list.push('=');
    list.push_str(value);
}

fn is_key(key: &str) -> bool {
    let is_key_byte =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    matches!(key.as_bytes(), [b'a'..=b'z' | b'0'..=b'9', rest @ ..]
        if rest.len() < MAX_PART_CHARS && rest.iter().all(is_key_byte))
}

fn is_value(value: &str) -> bool {
    (1..=MAX_PART_CHARS).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
        && !value.ends_with(' ')
}

const OPTIONAL_WHITESPACE: [char; 2] = [' ', '\t'];

const MAX_MEMBERS: usize = 32;

/// Of a key, and of a value.
const MAX_PART_CHARS: usize = 256;

const MAX_HEADER_CHARS: usize = MAX_PART_CHARS + 1 + MAX_PART_CHARS;

const LONG_MEMBER_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        TraceState::parse(text).map(|state| state.to_string())
    }

    fn members(n_members: usize) -> String {
        (0..n_members).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn a_list_is_read_as_w3c_writes_it() {
        let (key_256, value_256) = ("k".repeat(256), "v".repeat(256));
        let (long_key, long_value) = (format!("{key_256}=1"), format!("foo={value_256}"));
        for (text, expected) in [
            ("", Some("")),
            (" \t ", Some("")),
            (",, ,\t,", Some("")),
            ("foo=1", Some("foo=1")),
            ("foo=1 \t , \t bar=2, \t baz=3", Some("foo=1,bar=2,baz=3")),
            (",foo=1,,bar=2,", Some("foo=1,bar=2")),
            ("foo=  1", Some("foo=  1")), // leading spaces belong to the value
            ("foo=1\t \t", Some("foo=1")),
            ("foo=1,foo=2,bar=3", Some("foo=1,bar=3")),
            ("0a=1", Some("0a=1")),
            ("a_-*/@9=1", Some("a_-*/@9=1")),
            ("foo@=1", Some("foo@=1")),
            ("foo@@bar=1,a@b@c=2", Some("foo@@bar=1,a@b@c=2")),
            (&long_key, Some(long_key.as_str())),
            (&long_value, Some(long_value.as_str())),
        ] {
            assert_eq!(parsed(text).as_deref(), expected, "text {text:?}");
        }
    }

    #[test]
    fn one_invalid_member_throws_the_whole_list_away() {
        let (key_257, value_257) = ("k".repeat(257), "v".repeat(257));
        for text in [
            "foo",
            "foo=",
            "foo=   ",
            "=1",
            "@foo=1",
            "_foo=1",
            "FOO=1",
            "foo.bar=1",
            "foo =1",
            "foo\t=1",
            "foo=bar=baz",
            "foo=a\tb",
            "foo=a\u{7f}",
            "foo=ä",
            "föo=1",
            "foo=\0",
            &format!("{key_257}=1"),
            &format!("foo={value_257}"),
        ] {
            assert_eq!(parsed(text), None, "text {text:?}");
            assert_eq!(parsed(&format!("{text},bar=3")), None, "text {text:?} with another");
            assert_eq!(parsed(&format!("bar=3,{text}")), None, "another with text {text:?}");
        }
    }

    #[test]
    fn thirty_two_members_are_read_and_thirty_three_are_not() {
        assert_eq!(TraceState::parse(&members(32)).unwrap().iter().count(), 32);
        assert_eq!(parsed(&members(33)), None);
        assert_eq!(parsed(&format!("{},,  ,", members(32))), Some(members(32)));
    }

    #[test]
    fn several_headers_make_one_list_in_their_order() {
        let parsed = |headers: &[&str]| {
            let mut parser = TraceStateParser::default();
            headers.iter().for_each(|header| parser.push_header(header));
            parser.finish().map(|state| state.to_string())
        };
        let headers = ["foo=1", "", " ", "bar=2, foo=9", "baz=3"];
        assert_eq!(parsed(&headers).as_deref(), Some("foo=1,bar=2,baz=3"));
        assert_eq!(parsed(&[&members(32), "one-more=1"]), None);
    }

    #[test]
    fn a_new_or_changed_member_moves_to_the_front_and_the_old_list_stays() {
        let old = TraceState::parse("a=1,b=2,c=3").unwrap();
        assert_eq!(old.with("b", "9").to_string(), "b=9,a=1,c=3");
        assert_eq!(old.with("d", "4").to_string(), "d=4,a=1,b=2,c=3");
        assert_eq!(old.without("a").to_string(), "b=2,c=3");
        assert_eq!(old.without("missing"), old);
        assert_eq!((old.get("b"), old.get("d")), (Some("2"), None));
        assert!(old.without("a").without("b").without("c").is_empty());
        assert_eq!(TraceState::EMPTY.with("a", "1").to_string(), "a=1");
        assert_eq!(TraceState::EMPTY.iter().count(), 0);
    }

    #[test]
    fn a_member_that_is_not_valid_is_not_taken() {
        let state = TraceState::parse("a=1").unwrap();
        for (key, value) in
            [("", "1"), ("A", "1"), ("b", ""), ("b", "1,2"), ("b", "1 "), ("b", "ü")]
        {
            assert_eq!(state.with(key, value), state, "member {key:?}={value:?}");
        }
    }

    #[test]
    fn the_last_member_makes_room_for_a_new_one_past_thirty_two() {
        let full = TraceState::parse(&members(32)).unwrap();
        let changed = full.with("new", "1");
        assert_eq!((changed.iter().count(), changed.iter().next()), (32, Some(("new", "1"))));
        assert_eq!((changed.get("k31"), changed.get("k30")), (None, Some("v")));
        assert_eq!(full.with("k31", "x").iter().count(), 32);
    }

    #[test]
    fn a_long_header_loses_long_members_first_and_then_the_last_ones() {
        let (long, short) = ("l".repeat(200), "s".repeat(100));
        let header = |text: &str| TraceState::parse(text).unwrap().header().into_owned();
        let fits = format!("a={long},b={long},c={short}");
        assert_eq!(header(&fits), fits);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|key| format!("{key}={short}"));
        let long_member = format!("long={long}");
        assert_eq!(header(&format!("{a},{long_member},{b},{c},{d}")), format!("{a},{b},{c},{d}"));
        let e = format!("e={}", "s".repeat(126)); // 128 characters: not long
        assert_eq!(header(&format!("{e},{a},{b},{c},{d}")), format!("{e},{a},{b},{c}"));
        let longest = format!("{}={}", "k".repeat(256), "v".repeat(256));
        assert_eq!(header(&longest), longest);
        assert_eq!(header(&format!("a=1,{longest}")), "a=1");
    }

    #[test]
    fn what_was_read_is_read_again_from_its_own_form() {
        for text in ["foo=1,bar=  2", "a@b=x y", &members(32)] {
            let state = TraceState::parse(text).unwrap();
            assert_eq!(TraceState::parse(&state.to_string()), Some(state));
        }
    }
}
