//! Names of the standard tags, and the values of those that have a fixed set.
//!
//! Source: `opentracing/specification:semantic_conventions.md`. `service` is an addition of several
//! OpenTracing libraries.

/// The library, framework or package that made the span. Text.
pub const COMPONENT: &str = "component";
/// Name of the database instance. Text.
pub const DB_INSTANCE: &str = "db.instance";
/// The statement given to the database. Text.
pub const DB_STATEMENT: &str = "db.statement";
/// Kind of database: `sql`, `cassandra`, `redis`. Text.
pub const DB_TYPE: &str = "db.type";
/// Who uses the database. Text.
pub const DB_USER: &str = "db.user";
/// Whether the operation failed; absent means that it did not. Bool.
pub const ERROR: &str = "error";
/// Method of the HTTP request. Text.
pub const HTTP_METHOD: &str = "http.method";
/// Status of the HTTP response. Integer.
pub const HTTP_STATUS_CODE: &str = "http.status_code";
/// URL of the HTTP request. Text.
pub const HTTP_URL: &str = "http.url";
/// Where a message is sent to or taken from. Text.
pub const MESSAGE_BUS_DESTINATION: &str = "message_bus.destination";
/// Address of the other side, in any form. Text.
pub const PEER_ADDRESS: &str = "peer.address";
/// Host name of the other side. Text.
pub const PEER_HOSTNAME: &str = "peer.hostname";
/// IPv4 address of the other side. Text with dots, or a `u32`.
pub const PEER_IPV4: &str = "peer.ipv4";
/// IPv6 address of the other side. Text.
pub const PEER_IPV6: &str = "peer.ipv6";
/// Port of the other side. Integer.
pub const PEER_PORT: &str = "peer.port";
/// Name of the service on the other side. Text.
pub const PEER_SERVICE: &str = "peer.service";
/// Asks to keep the trace (above 0) or to drop it (0). Integer.
pub const SAMPLING_PRIORITY: &str = "sampling.priority";
/// Name of the service that the span belongs to. Text.
pub const SERVICE: &str = "service";
/// The role of the span in a call or an exchange of messages: one of the four below. Give it at the
/// start.
pub const SPAN_KIND: &str = "span.kind";

/// [`SPAN_KIND`] of the side that calls.
pub const SPAN_KIND_CLIENT: &str = "client";
/// [`SPAN_KIND`] of the side that is called.
pub const SPAN_KIND_SERVER: &str = "server";
/// [`SPAN_KIND`] of the side that sends a message.
pub const SPAN_KIND_PRODUCER: &str = "producer";
/// [`SPAN_KIND`] of the side that receives a message.
pub const SPAN_KIND_CONSUMER: &str = "consumer";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log;

    #[test]
    fn standard_names_are_those_of_the_conventions() {
        for (name, expected) in [
            (COMPONENT, "component"),
            (DB_INSTANCE, "db.instance"),
            (DB_STATEMENT, "db.statement"),
            (DB_TYPE, "db.type"),
            (DB_USER, "db.user"),
            (ERROR, "error"),
            (HTTP_METHOD, "http.method"),
            (HTTP_STATUS_CODE, "http.status_code"),
            (HTTP_URL, "http.url"),
            (MESSAGE_BUS_DESTINATION, "message_bus.destination"),
            (PEER_ADDRESS, "peer.address"),
            (PEER_HOSTNAME, "peer.hostname"),
            (PEER_IPV4, "peer.ipv4"),
            (PEER_IPV6, "peer.ipv6"),
            (PEER_PORT, "peer.port"),
            (PEER_SERVICE, "peer.service"),
            (SAMPLING_PRIORITY, "sampling.priority"),
            (SERVICE, "service"),
            (SPAN_KIND, "span.kind"),
            (SPAN_KIND_CLIENT, "client"),
            (SPAN_KIND_SERVER, "server"),
            (SPAN_KIND_PRODUCER, "producer"),
            (SPAN_KIND_CONSUMER, "consumer"),
            (log::EVENT, "event"),
            (log::MESSAGE, "message"),
            (log::STACK, "stack"),
            (log::ERROR_KIND, "error.kind"),
            (log::ERROR_OBJECT, "error.object"),
        ] {
            assert_eq!(name, expected);
        }
    }
}
