//! Arrays and maps as compact JSON text, which is what a tag can hold of them.

use std::io::Write;

use otel_core::record::ValueView;

/// Appends a value as JSON. Bytes become base64; numbers that JSON has no form for become text.
pub(crate) fn write_value(out: &mut Vec<u8>, value: ValueView<'_>) {
    match value {
        ValueView::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        // Writing to a Vec cannot fail.
        ValueView::I64(value) => drop(write!(out, "{value}")),
        ValueView::F64(value) if value.is_nan() => out.extend_from_slice(br#""NaN""#),
        ValueView::F64(f64::INFINITY) => out.extend_from_slice(br#""Infinity""#),
        ValueView::F64(f64::NEG_INFINITY) => out.extend_from_slice(br#""-Infinity""#),
        // `{value}` would write 1e300 with all its digits.
        ValueView::F64(value) => drop(write!(out, "{value:?}")),
        ValueView::Str(value) => write_string(out, value.as_bytes()),
        ValueView::Bytes(value) => write_base64(out, value),
        ValueView::Array(items) => write_list(out, [b'[', b']'], items, write_value),
        ValueView::Map(entries) => write_list(out, [b'{', b'}'], entries, |out, entry| {
            write_string(out, entry.key.as_bytes());
            out.push(b':');
            write_value(out, entry.value);
        }),
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_list<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

/// Appends text in quotes; what stands above the control characters is left as it is.
fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            0..0x20 => drop(write!(out, "\\u{byte:04x}")),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Appends bytes in quotes as base64 with padding.
fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let byte = |index| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * index)) as usize & 0x3F];
            out.push(if index > chunk.len() { b'=' } else { digit });
        }
    }
    out.push(b'"');
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use otel_core::record::{SpanBuf, SpanIds, SpanTimes};
    use otel_core::{InstrumentationScope, SpanKind, SpanLimits, Value};

    use super::*;

    #[test]
    fn values_become_compact_json() {
        for (value, expected) in [
            (Value::Strs(&["a", "b"]), r#"["a","b"]"#),
            (Value::I64s(&[1, -2]), "[1,-2]"),
            (Value::Bools(&[true, false]), "[true,false]"),
            (Value::F64s(&[1.5, 2.0, 1e300]), "[1.5,2.0,1e300]"),
            (
                Value::F64s(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
                r#"["NaN","Infinity","-Infinity"]"#,
            ),
            (Value::Array(&[]), "[]"),
            (Value::Map(&[]), "{}"),
            (Value::Array(&[Value::Empty, Value::Array(&[Value::I64(1)])]), "[null,[1]]"),
            (
                Value::Map(&[("k\"", Value::Str("<a>&\\\n\u{1}ü")), ("m", Value::Map(&[]))]),
                r#"{"k\"":"<a>&\\\n\u0001ü","m":{}}"#,
            ),
            (
                Value::Array(&[
                    Value::Bytes(b""),
                    Value::Bytes(b"f"),
                    Value::Bytes(b"fo"),
                    Value::Bytes(b"foo"),
                    Value::Bytes(&[0xFB, 0xFF]),
                ]),
                r#"["","Zg==","Zm8=","Zm9v","+/8="]"#,
            ),
        ] {
            let mut buf = SpanBuf::new();
            buf.start("", SpanKind::Internal, SpanIds::default());
            buf.set_attribute("key", value, &SpanLimits::UNLIMITED);
            let scope = InstrumentationScope::default();
            let span = buf.finish(SpanTimes::default(), &scope);
            let mut out = Vec::new();
            write_value(&mut out, span.attributes().next().unwrap().value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
