//! Attribute values: what a key of a span, an event, a link or a resource can hold.

/// A value as a caller hands it over: borrowed, and copied into the span's record at the call.
///
/// Integers up to 64 bit signed, floats, booleans, text, bytes, arrays of one type, and nested arrays and maps.
/// An empty text, zero and an empty array are values like any other.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value: kept, and exported as an empty text.
    Empty,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A floating-point number, NaN and infinities included.
    F64(f64),
    /// Text.
    Str(&'a str),
    /// Bytes with no meaning to us.
    Bytes(&'a [u8]),
    /// An array of booleans.
    Bools(&'a [bool]),
    /// An array of whole numbers.
    I64s(&'a [i64]),
    /// An array of floating-point numbers.
    F64s(&'a [f64]),
    /// An array of texts.
    Strs(&'a [&'a str]),
    /// An array of values of any type, nested ones included.
    Array(&'a [Self]),
    /// Values by key.
    Map(&'a [(&'a str, Self)]),
    /// An array of values that own what they hold.
    OwnedArray(&'a [OwnedValue]),
    /// Such values by key.
    OwnedMap(&'a [KeyValue]),
}

impl<'a> From<&'a str> for Value<'a> {
    #[inline]
    fn from(value: &'a str) -> Self {
        Self::Str(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Str(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(value)
    }
}

impl From<bool> for Value<'_> {
    #[inline]
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f32> for Value<'_> {
    fn from(value: f32) -> Self {
        Self::F64(f64::from(value))
    }
}

impl From<f64> for Value<'_> {
    #[inline]
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl<'a> From<&'a OwnedValue> for Value<'a> {
    fn from(value: &'a OwnedValue) -> Self {
        match value {
            OwnedValue::Bool(value) => Self::Bool(*value),
            OwnedValue::I64(value) => Self::I64(*value),
            OwnedValue::F64(value) => Self::F64(*value),
            OwnedValue::Str(value) => Self::Str(value),
            OwnedValue::Bytes(value) => Self::Bytes(value),
            OwnedValue::Array(items) => Self::OwnedArray(items),
            OwnedValue::Map(entries) => Self::OwnedMap(entries),
            OwnedValue::Empty => Self::Empty,
        }
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value<'_> {
            #[inline]
            fn from(value: $integer) -> Self {
                Self::I64(i64::from(value))
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32);

macro_rules! from_slice {
    ($($item:ty => $variant:ident),*) => {$(
        impl<'a> From<&'a [$item]> for Value<'a> {
            fn from(values: &'a [$item]) -> Self {
                Self::$variant(values)
            }
        }

        impl<'a, const N: usize> From<&'a [$item; N]> for Value<'a> {
            fn from(values: &'a [$item; N]) -> Self {
                Self::$variant(values)
            }
        }
    )*};
}

from_slice!(bool => Bools, i64 => I64s, f64 => F64s, &'a str => Strs, Value<'a> => Array);

/// A value that owns what it holds: in a [`Resource`](crate::Resource), and in the owned form of a span.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum OwnedValue {
    /// No value.
    #[default]
    Empty,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text.
    Str(String),
    /// Bytes with no meaning to us.
    Bytes(Vec<u8>),
    /// An array of values.
    Array(Vec<Self>),
    /// Values by key.
    Map(Vec<KeyValue>),
}

impl OwnedValue {
    /// Returns the text, where the value is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Empty => Self::Empty,
            Value::Bool(value) => Self::Bool(value),
            Value::I64(value) => Self::I64(value),
            Value::F64(value) => Self::F64(value),
            Value::Str(value) => Self::Str(value.to_owned()),
            Value::Bytes(value) => Self::Bytes(value.to_owned()),
            Value::Bools(values) => Self::Array(values.iter().copied().map(Self::Bool).collect()),
            Value::I64s(values) => Self::Array(values.iter().copied().map(Self::I64).collect()),
            Value::F64s(values) => Self::Array(values.iter().copied().map(Self::F64).collect()),
            Value::Strs(values) => {
                Self::Array(values.iter().map(|text| Self::from(*text)).collect())
            }
            Value::Array(values) => Self::Array(values.iter().copied().map(Self::from).collect()),
            Value::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| KeyValue::new(*key, Self::from(*value)))
                    .collect(),
            ),
            Value::OwnedArray(items) => Self::Array(items.to_vec()),
            Value::OwnedMap(entries) => Self::Map(entries.to_vec()),
        }
    }
}

impl From<&str> for OwnedValue {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<String> for OwnedValue {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

impl From<bool> for OwnedValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for OwnedValue {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f64> for OwnedValue {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl PartialEq<str> for OwnedValue {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for OwnedValue {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<i64> for OwnedValue {
    fn eq(&self, other: &i64) -> bool {
        *self == Self::I64(*other)
    }
}

impl PartialEq<bool> for OwnedValue {
    fn eq(&self, other: &bool) -> bool {
        *self == Self::Bool(*other)
    }
}

/// A key with its value, both owned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyValue {
    /// What the value is called.
    pub key: String,
    /// What it is.
    pub value: OwnedValue,
}

impl KeyValue {
    /// Puts a key and its value together.
    pub fn new(key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Attributes that can be visited in order: what a sampler is shown before a span exists.
///
/// A slice of pairs is one, and so is whatever can hand out its pairs without collecting them first.
pub trait AttributeSource {
    /// Calls `visit` with each key and value, in order.
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>));
}

impl AttributeSource for [(&str, Value<'_>)] {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for (key, value) in self {
            visit(key, *value);
        }
    }
}

impl<T: AttributeSource + ?Sized> AttributeSource for &T {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        (**self).for_each(visit);
    }
}

impl<const N: usize> AttributeSource for [(&str, Value<'_>); N] {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        self.as_slice().for_each(visit);
    }
}

impl AttributeSource for [KeyValue] {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        for KeyValue { key, value } in self {
            visit(key, Value::from(value));
        }
    }
}
