//! JSON, laid out as Python's `json.dumps(…, indent=4)` does.

use crate::record::{Attributes, ValueView};

/// Appends values to a text: an indent of four, no line for what is empty, nothing but ASCII.
pub(super) struct Json<'a> {
    out: &'a mut String,
    depth: usize,
    /// Nothing stands in the innermost object or array yet.
    is_empty: bool,
}

impl<'a> Json<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out, depth: 0, is_empty: true }
    }

    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        self.item();
        self.text(key);
        self.out.push_str(": ");
        self
    }

    /// Begins the next value of an array, or the next key of an object.
    pub(super) fn item(&mut self) -> &mut Self {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.new_line();
        self
    }

    pub(super) fn object(&mut self, write: impl FnOnce(&mut Json<'_>)) {
        self.enclosed('{', '}', write);
    }

    pub(super) fn array(&mut self, write: impl FnOnce(&mut Json<'_>)) {
        self.enclosed('[', ']', write);
    }

    pub(super) fn attributes(&mut self, attributes: Attributes<'_>) {
        self.object(|json| {
            for attribute in attributes {
                json.key(attribute.key.as_str()).value(attribute.value);
            }
        });
    }

    pub(super) fn null(&mut self) {
        self.bare("null");
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.bare("\\\""),
                '\\' => self.bare("\\\\"),
                '\n' => self.bare("\\n"),
                '\r' => self.bare("\\r"),
                '\t' => self.bare("\\t"),
                '\u{8}' => self.bare("\\b"),
                '\u{c}' => self.bare("\\f"),
                ' '..='~' => self.out.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.bare(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, value: ValueView<'_>) {
        match value {
            ValueView::Empty => self.null(),
            ValueView::Bool(value) => self.bare(if value { "true" } else { "false" }),
            ValueView::I64(value) => self.bare(&value.to_string()),
            ValueView::F64(value) => self.number(value),
            ValueView::Str(value) => self.text(value.as_str()),
            ValueView::Bytes(value) => match std::str::from_utf8(value) {
                Ok(text) => self.text(text),
                Err(_) => self.hex(value),
            },
            ValueView::Array(values) => {
                self.array(|json| values.for_each(|value| json.item().value(value)))
            }
            ValueView::Map(entries) => self.attributes(entries),
        }
    }

    /// Python and Rust agree on the digits, on `2.0`, and on where exponents begin; they differ in how they write one.
    fn number(&mut self, number: f64) {
        if !number.is_finite() {
            // Python writes these bare, which is no JSON.
            let name = if number.is_nan() { "NaN" } else { "Infinity" };
            let sign = if number == f64::NEG_INFINITY { "-" } else { "" };
            return self.text(&format!("{sign}{name}"));
        }
        let text = format!("{number:?}");
        match text.split_once('e') {
            None => self.bare(&text),
            Some((digits, exponent)) => {
                let (sign, exponent) = match exponent.strip_prefix('-') {
                    Some(exponent) => ('-', exponent),
                    None => ('+', exponent),
                };
                self.bare(&format!("{digits}e{sign}{exponent:0>2}"));
            }
        }
    }

    fn hex(&mut self, bytes: &[u8]) {
        self.bare("\"0x");
        bytes.iter().for_each(|byte| self.bare(&format!("{byte:02x}")));
        self.out.push('"');
    }

    fn bare(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn enclosed(&mut self, open: char, close: char, write: impl FnOnce(&mut Json<'_>)) {
        self.out.push(open);
        let mut inner = Json { out: self.out, depth: self.depth + 1, is_empty: true };
        write(&mut inner);
        if !inner.is_empty {
            self.new_line();
        }
        self.out.push(close);
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', 4 * self.depth));
    }
}
