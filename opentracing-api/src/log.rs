//! Names of the standard log fields.
//!
//! Source: `opentracing/specification:semantic_conventions.md`.

/// A stable name for what happened: `error`, `cache hit`. Text.
pub const EVENT: &str = "event";
/// A line for people. Text.
pub const MESSAGE: &str = "message";
/// A stack trace, or the causes of an error. Text.
pub const STACK: &str = "stack";
/// The kind of an error: its type. Text.
pub const ERROR_KIND: &str = "error.kind";
/// The error itself, where an implementation can keep it.
pub const ERROR_OBJECT: &str = "error.object";
