//! Values of tags and log fields: anything a caller has at hand becomes a `Value`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A value of a tag or a log field, borrowed where possible.
///
/// Every integer, float, bool, text and bytes turns into one by [`From`], and so does an [`Option`]
/// of these, where `None` means "do not set". A number is kept exact: integers up to [`i64::MAX`]
/// are [`Value::I64`], a `u64` above is [`Value::U64`], a 128-bit integer beyond both is its
/// decimal text.
///
/// It may hold a `&dyn Display`, so it is not `Send` and lives for one call; what is kept is an
/// [`OwnedValue`].
///
/// ```
/// use opentracing_api::Value;
///
/// assert_eq!(Value::from(7_u64).to_owned(), Some(7.into()));
/// assert_eq!(Value::from("text").to_string(), "text");
/// assert_eq!(Value::debug(&[1, 2]).to_string(), "[1, 2]");
/// assert!(Value::from(None::<bool>).is_none());
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Nothing: the tag or field is not set.
    #[default]
    None,
    /// A truth value.
    Bool(bool),
    /// An integer: the usual form of every integer type.
    I64(i64),
    /// An integer above [`i64::MAX`].
    U64(u64),
    /// A float; `f32` is widened.
    F64(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// Something that is formatted as text, and only if the span records.
    Display(&'a (dyn fmt::Display + 'a)),
    /// Something whose `Debug` form is the text, formatted only if the span records.
    Debug(&'a (dyn fmt::Debug + 'a)),
}

impl<'a> Value<'a> {
    /// Wraps something that formats itself, late.
    #[inline]
    pub fn display<T: fmt::Display>(value: &'a T) -> Self {
        Self::Display(value)
    }

    /// Wraps something whose `Debug` form is wanted, late.
    #[inline]
    pub fn debug<T: fmt::Debug>(value: &'a T) -> Self {
        Self::Debug(value)
    }

    /// Tells whether there is nothing to set.
    #[inline]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Copies the value into a form that can be kept; `None` for [`Value::None`]. Formats what is
    /// formatted late.
    pub fn to_owned(&self) -> Option<OwnedValue> {
        Some(match self {
            Self::None => return None,
            Self::Bool(value) => OwnedValue::Bool(*value),
            Self::I64(value) => OwnedValue::I64(*value),
            Self::U64(value) => OwnedValue::U64(*value),
            Self::F64(value) => OwnedValue::F64(*value),
            Self::Str(value) => OwnedValue::Str(value.clone().into_owned()),
            Self::Bytes(value) => OwnedValue::Bytes(value.clone().into_owned()),
            Self::Display(value) => OwnedValue::Str(text_of(value)),
            Self::Debug(value) => OwnedValue::Str(text_of(&format_args!("{value:?}"))),
        })
    }

    /// Turns what is formatted late into text now, so that no code of the caller runs later.
    pub(crate) fn formatted(self) -> Self {
        match self {
            Self::Display(value) => Self::Str(Cow::Owned(text_of(value))),
            Self::Debug(value) => Self::Str(Cow::Owned(text_of(&format_args!("{value:?}")))),
            ready => ready,
        }
    }
}

/// As text: bytes in hex, `None` as nothing.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
            Self::Bytes(value) => write_hex(f, value),
            Self::Display(value) => value.fmt(f),
            Self::Debug(value) => value.fmt(f),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::I64(value) => f.debug_tuple("I64").field(value).finish(),
            Self::U64(value) => f.debug_tuple("U64").field(value).finish(),
            Self::F64(value) => f.debug_tuple("F64").field(value).finish(),
            Self::Str(value) => f.debug_tuple("Str").field(value).finish(),
            Self::Bytes(value) => f.debug_tuple("Bytes").field(value).finish(),
            Self::Display(value) => {
                f.debug_tuple("Display").field(&format_args!("{value}")).finish()
            }
            Self::Debug(value) => f.debug_tuple("Debug").field(value).finish(),
        }
    }
}

macro_rules! value_from_copy {
    ($($from:ty => $value:ident => $to:expr;)*) => { $(
        impl From<$from> for Value<'_> {
            #[inline]
            fn from($value: $from) -> Self {
                $to
            }
        }

        impl From<&$from> for Value<'_> {
            #[inline]
            fn from(value: &$from) -> Self {
                Self::from(*value)
            }
        }
    )* };
}

value_from_copy! {
    bool => value => Self::Bool(value);
    i8 => value => Self::I64(i64::from(value));
    i16 => value => Self::I64(i64::from(value));
    i32 => value => Self::I64(i64::from(value));
    i64 => value => Self::I64(value);
    isize => value => Self::I64(value as i64); // At most 64 bits wide on every platform.
    i128 => value => wide_signed(value);
    u8 => value => Self::I64(i64::from(value));
    u16 => value => Self::I64(i64::from(value));
    u32 => value => Self::I64(i64::from(value));
    u64 => value => i64::try_from(value).map_or(Self::U64(value), Self::I64);
    usize => value => Self::from(value as u64); // At most 64 bits wide on every platform.
    u128 => value => wide_unsigned(value);
    f32 => value => Self::F64(f64::from(value));
    f64 => value => Self::F64(value);
}

impl<'a> From<&'a str> for Value<'a> {
    #[inline]
    fn from(value: &'a str) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<&&'a str> for Value<'a> {
    #[inline]
    fn from(value: &&'a str) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    #[inline]
    fn from(value: String) -> Self {
        Self::Str(Cow::Owned(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    #[inline]
    fn from(value: &'a String) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    #[inline]
    fn from(value: Cow<'a, str>) -> Self {
        Self::Str(value)
    }
}

impl<'a> From<&'a Cow<'_, str>> for Value<'a> {
    #[inline]
    fn from(value: &'a Cow<'_, str>) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a Arc<str>> for Value<'a> {
    #[inline]
    fn from(value: &'a Arc<str>) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a Box<str>> for Value<'a> {
    #[inline]
    fn from(value: &'a Box<str>) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    #[inline]
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    #[inline]
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    #[inline]
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(value))
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    #[inline]
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a fmt::Arguments<'_>> for Value<'a> {
    #[inline]
    fn from(value: &'a fmt::Arguments<'_>) -> Self {
        Self::Display(value)
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    #[inline]
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<'a> From<&'a OwnedValue> for Value<'a> {
    fn from(value: &'a OwnedValue) -> Self {
        match value {
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::I64(value) => Self::I64(*value),
            OwnedValue::U64(value) => Self::U64(*value),
            OwnedValue::F64(value) => Self::F64(*value),
            OwnedValue::Str(value) => Self::Str(Cow::Borrowed(value)),
            OwnedValue::Bytes(value) => Self::Bytes(Cow::Borrowed(value)),
        }
    }
}

/// A value that can be kept: what recorders and tests hold. It compares with plain Rust values.
///
/// ```
/// use opentracing_api::OwnedValue;
///
/// assert_eq!(OwnedValue::from("GET"), "GET");
/// assert_eq!(OwnedValue::I64(200), 200);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OwnedValue {
    /// A truth value.
    Bool(bool),
    /// An integer.
    I64(i64),
    /// An integer above [`i64::MAX`].
    U64(u64),
    /// A float.
    F64(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// As text: bytes in hex.
impl fmt::Display for OwnedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::from(self).fmt(f)
    }
}

macro_rules! owned_value_from {
    ($($from:ty => $variant:ident,)*) => { $(
        impl From<$from> for OwnedValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )* };
}

owned_value_from! {
    bool => Bool,
    i32 => I64,
    u32 => I64,
    i64 => I64,
    f64 => F64,
    &str => Str,
    String => Str,
    &[u8] => Bytes,
    Vec<u8> => Bytes,
}

impl From<u64> for OwnedValue {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::U64(value), Self::I64)
    }
}

macro_rules! owned_value_eq_integer {
    ($($integer:ty)*) => { $(
        impl PartialEq<$integer> for OwnedValue {
            fn eq(&self, other: &$integer) -> bool {
                match *self {
                    Self::I64(value) => i128::try_from(*other).is_ok_and(|other| other == i128::from(value)),
                    Self::U64(value) => i128::try_from(*other).is_ok_and(|other| other == i128::from(value)),
                    _ => false,
                }
            }
        }
    )* };
}

owned_value_eq_integer! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

impl PartialEq<bool> for OwnedValue {
    fn eq(&self, other: &bool) -> bool {
        matches!(self, Self::Bool(value) if value == other)
    }
}

impl PartialEq<f64> for OwnedValue {
    fn eq(&self, other: &f64) -> bool {
        matches!(self, Self::F64(value) if value == other)
    }
}

impl PartialEq<str> for OwnedValue {
    fn eq(&self, other: &str) -> bool {
        matches!(self, Self::Str(value) if value == other)
    }
}

impl PartialEq<&str> for OwnedValue {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq<String> for OwnedValue {
    fn eq(&self, other: &String) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<[u8]> for OwnedValue {
    fn eq(&self, other: &[u8]) -> bool {
        matches!(self, Self::Bytes(value) if value == other)
    }
}

/// Makes an array of `(&str, Value)` from pairs whose values differ in type, for
/// [`Span::log_kv`](crate::Span::log_kv) and
/// [`StartSpanOptions::tags`](crate::StartSpanOptions::tags).
///
/// ```
/// # use opentracing_api::{fields, Tracer};
/// # let mut span = Tracer::noop().start_span("look-up");
/// span.log_kv(fields! { "event" => "cache hit", "entries" => 3, "stale" => false });
/// ```
#[macro_export]
macro_rules! fields {
    ($($key:expr => $value:expr),+ $(,)?) => {
        [$(($key, $crate::Value::from($value))),+]
    };
}

fn wide_signed<'a>(value: i128) -> Value<'a> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Value::I64(value),
        (_, Ok(value)) => Value::U64(value),
        _ => Value::from(value.to_string()),
    }
}

fn wide_unsigned<'a>(value: u128) -> Value<'a> {
    u64::try_from(value).map_or_else(|_| Value::from(value.to_string()), Value::from)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Formats a value. Where its own `Display` says that it failed, what came until then is kept: `to_string` would panic.
pub(crate) fn text_of(value: &(impl fmt::Display + ?Sized)) -> String {
    let mut text = String::new();
    let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integer_keeps_its_value_in_the_narrowest_form() {
        for (value, expected) in [
            (Value::from(1_i8), OwnedValue::I64(1)),
            (Value::from(-2_i16), OwnedValue::I64(-2)),
            (Value::from(-3_i32), OwnedValue::I64(-3)),
            (Value::from(i64::MIN), OwnedValue::I64(i64::MIN)),
            (Value::from(-4_isize), OwnedValue::I64(-4)),
            (Value::from(5_u8), OwnedValue::I64(5)),
            (Value::from(6_u16), OwnedValue::I64(6)),
            (Value::from(7_u32), OwnedValue::I64(7)),
            (Value::from(8_u64), OwnedValue::I64(8)),
            (Value::from(u64::MAX), OwnedValue::U64(u64::MAX)),
            (Value::from(9_usize), OwnedValue::I64(9)),
            (Value::from(10_i128), OwnedValue::I64(10)),
            (Value::from(i128::from(u64::MAX)), OwnedValue::U64(u64::MAX)),
            (Value::from(i128::MIN), OwnedValue::Str(i128::MIN.to_string())),
            (Value::from(11_u128), OwnedValue::I64(11)),
            (Value::from(u128::from(u64::MAX)), OwnedValue::U64(u64::MAX)),
            (Value::from(u128::MAX), OwnedValue::Str(u128::MAX.to_string())),
            (Value::from(&12_u8), OwnedValue::I64(12)),
        ] {
            assert_eq!(value.to_owned(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn texts_bytes_floats_and_options_become_values() {
        let (text, bytes) = (String::from("text"), vec![1, 2]);
        let shared: Arc<str> = Arc::from("text");
        for value in [
            Value::from("text"),
            Value::from(&"text"),
            Value::from(text.clone()),
            Value::from(&text),
            Value::from(Cow::from("text")),
            Value::from(&shared),
            Value::from(&format_args!("te{}", "xt")),
            Value::display(&"text"),
            Value::from(Some("text")),
            Value::from(&OwnedValue::from("text")),
        ] {
            assert_eq!(value.to_owned().unwrap(), "text");
            assert_eq!(value.formatted().to_string(), "text");
        }
        for value in [
            Value::from(&bytes),
            Value::from(bytes.clone()),
            Value::from(&[1, 2]),
            Value::from(&bytes[..]),
        ] {
            assert_eq!(value.to_owned().unwrap(), bytes[..]);
            assert_eq!(value.to_string(), "0102");
        }
        assert_eq!(Value::from(0.5_f32).to_owned().unwrap(), 0.5);
        assert_eq!(Value::from(true).to_owned().unwrap(), true);
        assert_eq!(Value::from(None::<&str>).to_owned(), None);
        assert_eq!(Value::debug(&"text").to_owned().unwrap(), "\"text\"");
    }

    #[test]
    fn owned_values_equal_plain_values_of_the_same_kind_only() {
        assert_eq!(OwnedValue::U64(u64::MAX), u64::MAX);
        assert_ne!(OwnedValue::U64(u64::MAX), -1_i64);
        assert_ne!(OwnedValue::Bool(true), 1);
        assert_ne!(OwnedValue::from("1"), 1);
        assert_eq!(OwnedValue::from("a"), String::from("a"));
    }

    #[test]
    fn every_kind_has_a_debug_form() {
        assert_eq!(format!("{:?}", Value::display(&1)), "Display(1)");
        assert_eq!(format!("{:?}", Value::from("a")), "Str(\"a\")");
        assert_eq!(format!("{:?}", Value::None), "None");
    }
}
