//! The headers of the crate `http` as carrier.

use std::str;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{TextMapReader, TextMapWriter};

/// Writes headers of requests and responses.
///
/// What cannot be a header is left out: a name that is no token of HTTP, a value with a control character (a line end
/// would begin a header of its own), and whatever comes after the 32,768 entries that a map can hold.
///
/// ```
/// use http::HeaderMap;
/// use opentracing_api::{Extract, Inject, Tracer};
///
/// # let tracer = Tracer::noop();
/// let mut headers = HeaderMap::new();
/// tracer.inject(&tracer.start_span("call"), Inject::HttpHeaders(&mut headers))?;
/// let caller = tracer.extract(Extract::HttpHeaders(&headers))?;
/// # assert!(caller.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TextMapWriter for HeaderMap {
    fn set(&mut self, key: &str, value: &str) {
        // Not `HeaderValue::from_str`, which refuses what is not ASCII: readers here take UTF-8.
        let name = HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            // `insert` panics where the map is full.
            let _ = self.try_insert(name, value);
        }
    }
}

/// Reads headers where they stand. Names are compared without regard to ASCII case; a value that is not UTF-8 is as good
/// as absent.
impl TextMapReader for HeaderMap {
    fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key).iter().find_map(text_of)
    }

    fn for_each<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a str)) {
        for (name, value) in self {
            if let Some(value) = text_of(value) {
                f(name.as_str(), value);
            }
        }
    }

    fn for_each_key<'a>(&'a self, f: &mut dyn FnMut(&'a str)) {
        self.keys().for_each(|name| f(name.as_str()));
    }

    fn get_all<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        self.get_all(key).iter().filter_map(text_of).for_each(f);
    }

    fn get_ignore_ascii_case(&self, key: &str) -> Option<&str> {
        TextMapReader::get(self, key)
    }

    fn get_all_ignore_ascii_case<'a>(&'a self, key: &str, f: &mut dyn FnMut(&'a str)) {
        TextMapReader::get_all(self, key, f);
    }
}

fn text_of(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'a>(reader: &'a dyn TextMapReader, key: &str) -> Vec<&'a str> {
        let (mut values, mut in_any_case) = (Vec::new(), Vec::new());
        reader.get_all(key, &mut |value| values.push(value));
        reader.get_all_ignore_ascii_case(key, &mut |value| in_any_case.push(value));
        assert_eq!(values, in_any_case);
        values
    }

    #[test]
    fn what_is_written_can_be_read_in_any_case_and_replaces_the_same_header() {
        let mut headers = HeaderMap::new();
        headers.append("x-other", HeaderValue::from_static("kept"));
        headers.append("x-key", HeaderValue::from_static("one of two"));
        headers.append("x-key", HeaderValue::from_static("two of two"));
        headers.set("X-Key", "first");
        headers.set("x-key", "grün");
        for key in ["x-key", "X-KEY"] {
            assert_eq!(TextMapReader::get(&headers, key), Some("grün"));
            assert_eq!(headers.get_ignore_ascii_case(key), Some("grün"));
            assert_eq!(all(&headers, key), ["grün"]);
        }
        let mut pairs = Vec::new();
        headers.for_each(&mut |key, value| pairs.push((key, value)));
        pairs.sort_unstable();
        assert_eq!(pairs, [("x-key", "grün"), ("x-other", "kept")]);
    }

    #[test]
    fn what_cannot_be_a_header_is_left_out() {
        let mut headers = HeaderMap::new();
        let long = "k".repeat(70_000);
        for (key, value) in [
            ("", "no name"),
            ("two words", "v"),
            ("größe", "v"),
            ("line\nend", "v"),
            (long.as_str(), "v"),
            ("x-value", "line\r\nx-forged: 1"),
            ("x-value", "\0"),
            ("x-value", "\u{7f}"),
        ] {
            headers.set(key, value);
            assert!(headers.is_empty(), "{key:?}: {value:?}");
            assert_eq!(TextMapReader::get(&headers, key), None);
        }
        headers.set("x-value", "");
        assert_eq!(TextMapReader::get(&headers, "x-value"), Some(""));
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_as_good_as_absent() {
        let mut headers = HeaderMap::new();
        headers.append("x-key", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        headers.append("x-key", HeaderValue::from_static("second"));
        headers.append("x-key", HeaderValue::from_static("third"));
        headers.append("x-bytes", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(TextMapReader::get(&headers, "x-key"), Some("second"));
        assert_eq!(all(&headers, "x-key"), ["second", "third"]);
        assert_eq!(TextMapReader::get(&headers, "x-bytes"), None);
        let (mut n_pairs, mut keys) = (0, Vec::new());
        headers.for_each(&mut |_, _| n_pairs += 1);
        headers.for_each_key(&mut |key| keys.push(key));
        assert_eq!((n_pairs, keys.len()), (2, 2), "{keys:?}");
    }

    #[test]
    fn values_are_borrowed_from_the_map() {
        let mut headers = HeaderMap::new();
        headers.set("x-key", "value");
        let value = TextMapReader::get(&headers, "x-key").unwrap();
        assert_eq!(value.as_ptr(), headers["x-key"].as_bytes().as_ptr());
    }

    #[test]
    fn a_full_map_takes_no_more_and_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        for n in 0..40_000 {
            headers.set(&format!("x-{n}"), "v");
        }
        assert!(headers.len() < 40_000);
        assert_eq!(TextMapReader::get(&headers, "x-0"), Some("v"));
        assert_eq!(TextMapReader::get(&headers, "x-39999"), None);
    }
}
