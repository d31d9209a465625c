//! Carriers: what is written into, and read from, on the way to another process.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

/// A carrier that can be written: headers of a request, or any other pairs of text.
///
/// ```
/// use otel_core::propagation::Injector;
///
/// /// A request of somebody's own protocol.
/// #[derive(Default)]
/// struct Request {
///     headers: Vec<u8>,
/// }
///
/// impl Injector for Request {
///     fn set(&mut self, key: &str, value: &str) {
///         // A new request has none of these headers yet.
///         self.headers.extend_from_slice(format!("{key}: {value}\r\n").as_bytes());
///     }
/// }
/// # let mut request = Request::default();
/// # request.set("b3", "0");
/// # assert_eq!(request.headers, b"b3: 0\r\n");
/// ```
pub trait Injector {
    /// Sets a pair; a pair of the same key is replaced, all others stay.
    fn set(&mut self, key: &str, value: &str);
}

impl<S: BuildHasher> Injector for HashMap<String, String, S> {
    fn set(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.to_owned());
    }
}

impl Injector for BTreeMap<String, String> {
    fn set(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.to_owned());
    }
}

impl Injector for Vec<(String, String)> {
    fn set(&mut self, key: &str, value: &str) {
        match self.iter_mut().find(|(candidate, _)| candidate == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.push((key.to_owned(), value.to_owned())),
        }
    }
}

/// A carrier that can be read. What it holds comes from outside and is not to be trusted.
///
/// The maps and lists of the standard library compare keys exactly; [`IgnoreCase`] makes headers of them. A propagator looks
/// for each of its headers once or twice, whatever else the carrier holds.
pub trait Extractor {
    /// Returns the value of a key: for plain maps the one of exactly this key, for headers without regard to ASCII
    /// case. With several, the first.
    fn get(&self, key: &str) -> Option<&str>;

    /// Visits every value of a key in order. The default knows one at the most, that of [`get`](Self::get): a carrier
    /// that can hold several says so here, or nobody notices that a header came twice.
    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        if let Some(value) = self.get(key) {
            visit(value);
        }
    }

    /// Visits every pair, keys as they came.
    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str));

    /// Visits every key, as it came. A carrier whose values cost something to read looks at none of them.
    fn for_each_key<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.for_each(&mut |key, _| visit(key));
    }
}

impl<K: Borrow<str> + Eq + Hash, V: AsRef<str>, S: BuildHasher> Extractor for HashMap<K, V, S> {
    fn get(&self, key: &str) -> Option<&str> {
        Self::get(self, key).map(AsRef::as_ref)
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| visit(key.borrow(), value.as_ref()));
    }
}

impl<K: Borrow<str> + Ord, V: AsRef<str>> Extractor for BTreeMap<K, V> {
    fn get(&self, key: &str) -> Option<&str> {
        Self::get(self, key).map(AsRef::as_ref)
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| visit(key.borrow(), value.as_ref()));
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extractor for Vec<(K, V)> {
    fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(candidate, _)| candidate.as_ref() == key)
            .map(|(_, value)| value.as_ref())
    }

    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        let pairs = self.iter().filter(|(candidate, _)| candidate.as_ref() == key);
        pairs.for_each(|(_, value)| visit(value.as_ref()));
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.iter().for_each(|(key, value)| visit(key.as_ref(), value.as_ref()));
    }
}

/// Reads another carrier as HTTP headers: keys are compared without regard to ASCII case. Copies nothing; each look-up
/// visits all pairs.
///
/// ```
/// use otel_core::propagation::{Extractor, IgnoreCase};
///
/// let headers = vec![("Uber-Trace-Id", "1:2:0:1")];
/// assert_eq!(IgnoreCase(&headers).get("uber-trace-id"), Some("1:2:0:1"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IgnoreCase<'c, E: ?Sized>(pub &'c E);

impl<E: Extractor + ?Sized> Extractor for IgnoreCase<'_, E> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut first = None;
        self.get_all(key, &mut |value| first = first.or(Some(value)));
        first
    }

    fn get_all<'a>(&'a self, key: &str, visit: &mut dyn FnMut(&'a str)) {
        self.0.for_each(&mut |candidate, value| {
            if candidate.eq_ignore_ascii_case(key) {
                visit(value);
            }
        });
    }

    fn for_each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.for_each(visit);
    }

    fn for_each_key<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.0.for_each_key(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(carrier: &dyn Extractor, key: &str) -> Vec<String> {
        let mut values = Vec::new();
        carrier.get_all(key, &mut |value| values.push(value.to_owned()));
        values
    }

    #[test]
    fn writing_replaces_the_same_key_and_leaves_other_pairs_alone() {
        let mut pairs = vec![("Other".to_owned(), "kept".to_owned())];
        let mut hash_map: HashMap<String, String> = pairs.iter().cloned().collect();
        let mut tree_map: BTreeMap<String, String> = pairs.iter().cloned().collect();
        for injector in [&mut pairs as &mut dyn Injector, &mut hash_map, &mut tree_map] {
            injector.set("key", "first");
            injector.set("key", "second");
        }
        for extractor in [&pairs as &dyn Extractor, &hash_map, &tree_map] {
            assert_eq!(
                (extractor.get("key"), extractor.get("Other")),
                (Some("second"), Some("kept"))
            );
            assert_eq!((extractor.get("other"), all(extractor, "key").len()), (None, 1));
            let mut n_pairs = 0;
            extractor.for_each(&mut |_, _| n_pairs += 1);
            assert_eq!(n_pairs, 2);
        }
    }

    #[test]
    fn a_list_knows_every_value_of_a_key_and_gives_the_first() {
        let pairs = vec![("key", "1"), ("KEY", "2"), ("key", "3")];
        assert_eq!(
            (Extractor::get(&pairs, "key"), all(&pairs, "key")),
            (Some("1"), vec!["1".into(), "3".into()])
        );
        let headers = IgnoreCase(&pairs);
        assert_eq!((headers.get("Key"), all(&headers, "kEY").len()), (Some("1"), 3));
        assert_eq!(headers.get("missing"), None);
    }
}
