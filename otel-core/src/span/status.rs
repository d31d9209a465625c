//! How the work of a span ended.

/// The status of a span. Ok beats Error, and Error beats Unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum StatusCode {
    /// Nobody said anything.
    #[default]
    Unset = 0,
    /// Somebody checked, and it is fine.
    Ok = 1,
    /// It failed.
    Error = 2,
}

impl StatusCode {
    /// Returns the name as OpenTelemetry spells it in attributes and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }

    pub(crate) fn from_u8(byte: u8) -> Self {
        match byte {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}
