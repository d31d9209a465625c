//! The settings of an exporter, from OpenTelemetry's environment variables.

use super::builder::{Compression, Headers, OtlpExporterBuilder};
use super::endpoint::Endpoint;
use crate::env::{Environment, Variable, parse};

impl OtlpExporterBuilder {
    /// Takes the settings from the environment variables of this process; setters that follow win.
    ///
    /// Each variable has one of its own for traces, as `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT`, which counts before the general
    /// one. What cannot be used is warned about, with its name, its value and what is allowed, and counts as not set; of
    /// headers, no value is shown.
    ///
    /// | variable | default | allowed |
    /// | --- | --- | --- |
    /// | `OTEL_EXPORTER_OTLP_ENDPOINT` | `http://localhost:4318` | a URL, to which `/v1/traces` is appended; that for traces is taken as it is |
    /// | `OTEL_EXPORTER_OTLP_HEADERS` | none | `name=value` with commas between them, percent-coded |
    /// | `OTEL_EXPORTER_OTLP_TIMEOUT` | `10000` | milliseconds, up to 86400000, or 0 for no limit |
    /// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `none` | `gzip` or `none` |
    /// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` | that; what speaks gRPC on port 4317 mostly speaks this on 4318 |
    ///
    /// `OTEL_EXPORTER_OTLP_CERTIFICATE`, `…_CLIENT_KEY` and `…_CLIENT_CERTIFICATE` are not read, which is warned about.
    ///
    /// ```
    /// use otel_core::exporter::otlp::OtlpExporterBuilder;
    ///
    /// let exporter = OtlpExporterBuilder::from_env().max_request_bytes(4 << 20).build()?;
    /// # Ok::<(), otel_core::exporter::otlp::OtlpConfigError>(())
    /// ```
    ///
    /// Source: `open-telemetry/opentelemetry-specification:specification/protocol/exporter.md`.
    pub fn from_env() -> Self {
        Self::from_environment(&mut Environment::of_process())
    }

    /// As [`from_env`](Self::from_env), with variables that are looked up elsewhere.
    pub fn from_environment(environment: &mut Environment) -> Self {
        let mut builder = Self::default();
        let base = environment.read(&ENDPOINT, |url| Endpoint::of_collector(url).ok());
        let exact = environment.read(&TRACES_ENDPOINT, |url| Endpoint::exact(url).ok());
        if let Some(endpoint) = exact.or(base) {
            builder.endpoint = Ok(endpoint);
        }
        if let Some(headers) = environment.read_first(&[&TRACES_HEADERS, &HEADERS], headers) {
            builder.headers = Ok(headers);
        }
        if let Some(timeout) = environment.read_first(&[&TRACES_TIMEOUT, &TIMEOUT], parse::timeout)
        {
            builder = builder.timeout(timeout);
        }
        let variables = [&TRACES_COMPRESSION, &COMPRESSION];
        if let Some(compression) = environment.read_first(&variables, compression) {
            builder = builder.compression(compression);
        }
        environment.read_first(&[&TRACES_PROTOCOL, &PROTOCOL], |name| {
            name.eq_ignore_ascii_case(PROTOCOL.default_text()).then_some(())
        });
        for variable in &NOT_READ {
            environment.read(variable, |_| None::<()>);
        }
        builder
    }
}

/// Reads headers; `None` where one of them cannot be sent.
fn headers(value: &str) -> Option<Headers> {
    let mut headers = Headers::default();
    for (name, value) in parse::pairs(value)? {
        headers.set(&name, &value).ok()?;
    }
    Some(headers)
}

fn compression(value: &str) -> Option<Compression> {
    let is = |name| value.eq_ignore_ascii_case(name);
    match () {
        () if is("gzip") => Some(Compression::Gzip),
        () if is("none") => Some(Compression::None),
        () => None,
    }
}

const URL: &str = match cfg!(feature = "otlp-tls") {
    true => "http:// or https://, a host, and perhaps a port and a path",
    false => {
        "http://, a host, and perhaps a port and a path; https:// with the feature `otlp-tls` of otel-core"
    }
};
const NAMES_AND_VALUES: &str =
    "name=value with commas between them, percent-coded, none of them about the body";
const MILLIS: &str = "milliseconds, up to 86400000, or 0 for no limit";
const SPOKEN: &str =
    "http/protobuf, which a Collector that takes gRPC on port 4317 mostly takes on 4318";
const SYSTEM: &str = "nothing: the certificates that Mozilla trusts count";

const ENDPOINT: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", URL);
const TRACES_ENDPOINT: Variable = Variable::new("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", URL);
const HEADERS: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_HEADERS", "", NAMES_AND_VALUES).secret();
const TRACES_HEADERS: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "", NAMES_AND_VALUES).secret();
const TIMEOUT: Variable = Variable::new("OTEL_EXPORTER_OTLP_TIMEOUT", "10000", MILLIS);
const TRACES_TIMEOUT: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10000", MILLIS);
const COMPRESSION: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_COMPRESSION", "none", "gzip or none");
const TRACES_COMPRESSION: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", "gzip or none");
const PROTOCOL: Variable = Variable::new("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", SPOKEN);
const TRACES_PROTOCOL: Variable =
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", SPOKEN);
const NOT_READ: [Variable; 6] = [
    Variable::new("OTEL_EXPORTER_OTLP_CERTIFICATE", "", SYSTEM),
    Variable::new("OTEL_EXPORTER_OTLP_CLIENT_KEY", "", SYSTEM),
    Variable::new("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", SYSTEM),
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "", SYSTEM),
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "", SYSTEM),
    Variable::new("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "", SYSTEM),
];
