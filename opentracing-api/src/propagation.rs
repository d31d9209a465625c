//! Crossing process borders: the formats, and the carriers they are written into and read from.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};

/// Where a span context is injected into: a format with its carrier.
///
/// ```
/// # use std::collections::HashMap;
/// # use opentracing_api::{Inject, Tracer};
/// # let tracer = Tracer::noop();
/// # let span = tracer.start_span("call");
/// let mut headers: HashMap<String, String> = HashMap::new();
/// tracer.inject(&span, Inject::HttpHeaders(&mut headers))?;
/// # Ok::<(), opentracing_api::InjectError>(())
/// ```
pub enum Inject<'c> {
    /// Pairs of text without rules for characters. Other entries are left alone.
    TextMap(&'c mut dyn TextMapWriter),
    /// Pairs of text that are fit to be HTTP headers.
    HttpHeaders(&'c mut dyn TextMapWriter),
    /// Bytes, appended to what is there.
    Binary(&'c mut Vec<u8>),
    /// A format of the implementation's own, by name, with a carrier that it knows.
    Custom(&'c str, &'c mut dyn Any),
}

impl fmt::Debug for Inject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextMap(_) => f.write_str("TextMap"),
            Self::HttpHeaders(_) => f.write_str("HttpHeaders"),
            Self::Binary(_) => f.write_str("Binary"),
            Self::Custom(format, _) => f.debug_tuple("Custom").field(format).finish(),
        }
    }
}

/// What a span context is extracted from: a format with its carrier.
///
/// A slice does not coerce to `&dyn TextMapReader`: pass a `&Vec`, an array or `&&slice`.
/// ```
/// # use opentracing_api::{Extract, Tracer};
/// # let tracer = Tracer::noop();
/// let headers = [("Host", "example.com")];
/// let caller = tracer.extract(Extract::HttpHeaders(&headers))?;
/// assert!(caller.is_none());
/// # Ok::<(), opentracing_api::ExtractError>(())
/// ```
pub enum Extract<'c> {
    /// Pairs of text; keys are compared exactly.
    TextMap(&'c dyn TextMapReader),
    /// HTTP headers; keys are compared without regard to ASCII case.
    HttpHeaders(&'c dyn TextMapReader),
    /// Bytes.
    Binary(&'c [u8]),
    /// A format of the implementation's own, by name, with a carrier that it knows.
    Custom(&'c str, &'c dyn Any),
}

impl fmt::Debug for Extract<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextMap(_) => f.write_str("TextMap"),
            Self::HttpHeaders(_) => f.write_str("HttpHeaders"),
            Self::Binary(_) => f.write_str("Binary"),
            Self::Custom(format, _) => f.debug_tuple("Custom").field(format).finish(),
        }
    }
}

/// A carrier of text pairs that can be written. With the feature `http` also an `http::HeaderMap`.
pub trait TextMapWriter {
    /// Sets a pair; a pair of the same key is replaced, all others stay.
    fn set(&mut self, key: &str, value: &str);
}

impl<S: BuildHasher> TextMapWriter for HashMap<String, String, S> {
    fn set(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.to_owned());
    }
}

impl TextMapWriter for BTreeMap<String, String> {
    fn set(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.to_owned());
    }
}

impl TextMapWriter for Vec<(String, String)> {
    fn set(&mut self, key: &str, value: &str) {
        match self.iter_mut().find(|(candidate, _)| candidate == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.push((key.to_owned(), value.to_owned())),
        }
    }
}

impl<W: TextMapWriter + ?Sized> TextMapWriter for &mut W {
    fn set(&mut self, key: &str, value: &str) {
        (**self).set(key, value);
    }
}

/// A carrier of text pairs that can be read. What it holds comes from outside and is not to be
/// trusted. With the feature `http` also an `http::HeaderMap`.
pub trait TextMapReader {
    /// Returns the value of a key: for plain maps the one of exactly this key, for headers as
    /// headers compare. With several, the first.
    fn get(&self, key: &str) -> Option<&str>;

    /// Visits every pair.
    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str));

    /// Visits every key. A carrier whose values cost something to read looks at none of them.
    fn for_each_key<'a>(&'a self, f: &mut dyn FnMut(&'a str)) {
        self.for_each(&mut |key, _| f(key));
    }

    /// Visits every value of a key: a header may come more than once.
    fn get_all<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        self.for_each(&mut |candidate, value| {
            if candidate == key {
                f(value);
            }
        });
    }

    /// Returns the value of a key in any ASCII case, as HTTP headers need: the exact one if it is
    /// there, else the first that differs in case alone. Copies nothing.
    fn get_ignore_ascii_case(&self, key: &str) -> Option<&str> {
        self.get(key).or_else(|| {
            let mut found = None;
            self.for_each(&mut |candidate, value| {
                if found.is_none() && candidate.eq_ignore_ascii_case(key) {
                    found = Some(value);
                }
            });
            found
        })
    }

    /// As [`TextMapReader::get_all`], with keys in any ASCII case.
    fn get_all_ignore_ascii_case<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        self.for_each(&mut |candidate, value| {
            if candidate.eq_ignore_ascii_case(key) {
                f(value);
            }
        });
    }
}

impl<K: Borrow<str> + Eq + Hash, V: AsRef<str>, S: BuildHasher> TextMapReader for HashMap<K, V, S> {
    fn get(&self, key: &str) -> Option<&str> {
        Self::get(self, key).map(AsRef::as_ref)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| f(key.borrow(), value.as_ref()));
    }
}

impl<K: Borrow<str> + Ord, V: AsRef<str>> TextMapReader for BTreeMap<K, V> {
    fn get(&self, key: &str) -> Option<&str> {
        Self::get(self, key).map(AsRef::as_ref)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| f(key.borrow(), value.as_ref()));
    }
}

impl<K: AsRef<str>, V: AsRef<str>> TextMapReader for [(K, V)] {
    fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| candidate.as_ref() == key)
            .map(|(_, value)| value.as_ref())
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| f(key.as_ref(), value.as_ref()));
    }
}

impl<K: AsRef<str>, V: AsRef<str>, const N: usize> TextMapReader for [(K, V); N] {
    fn get(&self, key: &str) -> Option<&str> {
        TextMapReader::get(self.as_slice(), key)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        TextMapReader::for_each(self.as_slice(), f);
    }
}

impl<K: AsRef<str>, V: AsRef<str>> TextMapReader for Vec<(K, V)> {
    fn get(&self, key: &str) -> Option<&str> {
        TextMapReader::get(self.as_slice(), key)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        TextMapReader::for_each(self.as_slice(), f);
    }
}

impl<R: TextMapReader + ?Sized> TextMapReader for &R {
    fn get(&self, key: &str) -> Option<&str> {
        (**self).get(key)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        (**self).for_each(f);
    }

    fn for_each_key<'a>(&'a self, f: &mut dyn FnMut(&'a str)) {
        (**self).for_each_key(f);
    }

    fn get_all<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        (**self).get_all(key, f);
    }

    fn get_ignore_ascii_case(&self, key: &str) -> Option<&str> {
        (**self).get_ignore_ascii_case(key)
    }

    fn get_all_ignore_ascii_case<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        (**self).get_all_ignore_ascii_case(key, f);
    }
}

#[cfg(feature = "http")]
mod header_map;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_replace_their_own_key_and_leave_other_entries_alone() {
        let mut pairs = vec![("other".to_owned(), "kept".to_owned())];
        let mut hash_map: HashMap<String, String> = pairs.iter().cloned().collect();
        let mut tree_map: BTreeMap<String, String> = pairs.iter().cloned().collect();
        for writer in [&mut pairs as &mut dyn TextMapWriter, &mut hash_map, &mut tree_map] {
            writer.set("key", "first");
            writer.set("key", "second");
        }
        for reader in [&pairs as &dyn TextMapReader, &hash_map, &tree_map] {
            assert_eq!((reader.get("key"), reader.get("other")), (Some("second"), Some("kept")));
            let mut count = 0;
            reader.for_each(&mut |_, _| count += 1);
            reader.for_each_key(&mut |_| count += 1);
            assert_eq!(count, 4);
        }
    }

    #[test]
    fn readers_find_keys_exactly_or_in_any_case() {
        let array = [("Key", "1"), ("other", "2"), ("Key", "3")];
        let (vec, slice) = (array.to_vec(), &array[..]);
        for reader in [&array as &dyn TextMapReader, &vec, &slice] {
            assert_eq!((reader.get("Key"), reader.get("key")), (Some("1"), None));
            assert_eq!(reader.get_ignore_ascii_case("kEY"), Some("1"));
            assert_eq!(reader.get_ignore_ascii_case("missing"), None);
            let mut values = Vec::new();
            reader.get_all("Key", &mut |value| values.push(value));
            assert_eq!(values, ["1", "3"]);
            reader.get_all("key", &mut |value| panic!("{value} is of another key"));
            values.clear();
            reader.get_all_ignore_ascii_case("kEY", &mut |value| values.push(value));
            assert_eq!(values, ["1", "3"]);
        }
    }

    #[test]
    fn an_exact_key_wins_over_one_in_another_case() {
        let pairs = [("KEY", "other case"), ("key", "exact")];
        assert_eq!(pairs.get_ignore_ascii_case("key"), Some("exact"));
    }

    #[test]
    fn formats_have_a_debug_form() {
        assert_eq!(format!("{:?}", Inject::Custom("own", &mut 1)), "Custom(\"own\")");
        assert_eq!(format!("{:?}", Extract::Binary(&[])), "Binary");
    }
}
