//! What the environment's variables come to.

use std::time::Duration;

use super::collector::{Collector, Reply};
use super::{LONG, export, flush};
use crate::env::Environment;
use crate::exporter::otlp::{Compression, OtlpExporter, OtlpExporterBuilder};

/// Reads variables; returns the exporter, and the names of those that were of no use.
fn read(pairs: &[(&str, &str)]) -> (OtlpExporter, Vec<String>) {
    let mut environment = Environment::from_pairs(pairs.iter().copied());
    let exporter = OtlpExporterBuilder::from_environment(&mut environment).build().unwrap();
    let shown = format!("{environment:?} {} {exporter:?}", environment.configuration());
    assert!(!shown.contains("hunter2"), "{shown}");
    let problems = environment.configuration().problems();
    (exporter, problems.iter().map(|problem| problem.name.to_owned()).collect())
}

#[test]
fn the_endpoint_of_traces_is_taken_as_it_is_and_the_general_one_gets_the_path() {
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let default = "http://localhost:4318/v1/traces";
    for (pairs, expected, n_problems) in [
        (&[][..], default, 0),
        (&[(BASE, "")], default, 0),
        (&[(BASE, "http://collector:4318")], "http://collector:4318/v1/traces", 0),
        (&[(BASE, "http://collector:4318/mine/")], "http://collector:4318/mine/v1/traces", 0),
        (&[(TRACES, "http://collector:4318")], "http://collector:4318/", 0),
        (&[(BASE, "http://a"), (TRACES, "http://b/c")], "http://b/c", 0),
        (&[(BASE, "collector:4318")], default, 1),
        (&[(BASE, "http://a"), (TRACES, "b")], "http://a/v1/traces", 1),
        (&[(BASE, "a"), (TRACES, "b")], default, 2),
        (&[(BASE, "unix://me:hunter2@x")], default, 1),
    ] {
        let (exporter, problems) = read(pairs);
        assert_eq!(exporter.settings.endpoint.url(), expected, "{pairs:?}");
        assert_eq!(problems.len(), n_problems, "{pairs:?}: {problems:?}");
    }
    let (exporter, problems) = read(&[(BASE, "https://collector")]);
    match cfg!(feature = "otlp-tls") {
        true => assert_eq!(exporter.settings.endpoint.url(), "https://collector/v1/traces"),
        false => assert_eq!(
            (exporter.settings.endpoint.url(), &problems[..]),
            (default, &[BASE.to_owned()][..])
        ),
    }
}

#[test]
fn other_settings_have_a_general_variable_and_one_for_traces() {
    let ten_seconds = Duration::from_secs(10);
    for (pairs, timeout, compression, n_problems) in [
        (&[][..], ten_seconds, Compression::None, 0),
        (
            &[("TIMEOUT", "250"), ("COMPRESSION", "GZIP")],
            Duration::from_millis(250),
            Compression::Gzip,
            0,
        ),
        (
            &[("TIMEOUT", "250"), ("TRACES_TIMEOUT", "0")],
            Duration::from_secs(86_400),
            Compression::None,
            0,
        ),
        (
            &[("COMPRESSION", "gzip"), ("TRACES_COMPRESSION", "none")],
            ten_seconds,
            Compression::None,
            0,
        ),
        (&[("COMPRESSION", "zstd")], ten_seconds, Compression::None, 1),
        (&[("TIMEOUT", "-1"), ("TRACES_TIMEOUT", "10s")], ten_seconds, Compression::None, 2),
        (&[("PROTOCOL", "http/protobuf")], ten_seconds, Compression::None, 0),
        (&[("PROTOCOL", "grpc")], ten_seconds, Compression::None, 1),
        (
            &[("PROTOCOL", "grpc"), ("TRACES_PROTOCOL", "http/json")],
            ten_seconds,
            Compression::None,
            2,
        ),
        (
            &[("PROTOCOL", "grpc"), ("TRACES_PROTOCOL", "http/protobuf")],
            ten_seconds,
            Compression::None,
            0,
        ),
        (
            &[("CERTIFICATE", "/ca.pem"), ("TRACES_CLIENT_KEY", "/key.pem")],
            ten_seconds,
            Compression::None,
            2,
        ),
    ] {
        let pairs: Vec<(String, &str)> = pairs
            .iter()
            .map(|(name, value)| (format!("OTEL_EXPORTER_OTLP_{name}"), *value))
            .collect();
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let (exporter, problems) = read(&pairs);
        let settings = &exporter.settings;
        assert_eq!((settings.timeout, settings.compression), (timeout, compression), "{pairs:?}");
        assert_eq!(problems.len(), n_problems, "{pairs:?}: {problems:?}");
    }
}

#[test]
fn what_speaks_grpc_is_told_the_other_port() {
    let mut environment = Environment::from_pairs([("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    OtlpExporterBuilder::from_environment(&mut environment).build().unwrap();
    let problem = environment.configuration().problems()[0].to_string();
    for part in ["OTEL_EXPORTER_OTLP_PROTOCOL", "\"grpc\"", "http/protobuf", "4318"] {
        assert!(problem.contains(part), "no {part} in {problem}");
    }
}

#[test]
fn headers_from_the_environment_are_sent_decoded() {
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    for (pairs, expected, n_problems) in [
        (
            &[(HEADERS, "api-key=hunter2, x-y = a%20b%2Cc ")][..],
            [Some("hunter2"), Some("a b,c")],
            0,
        ),
        (&[(HEADERS, "api-key=general"), (TRACES, "x-y=own")], [None, Some("own")], 0),
        (&[(HEADERS, "api-key=general"), (TRACES, "x y=hunter2")], [Some("general"), None], 1),
        (&[(HEADERS, "api-key=one,api-key=two")], [Some("two"), None], 0),
        (&[(HEADERS, "api-key=Basic%20aHVudGVyMg==")], [Some("Basic aHVudGVyMg=="), None], 0),
        (&[(HEADERS, "api-key")], [None, None], 1),
        (&[(HEADERS, "api-key=a%0D%0Ax-y:hunter2")], [None, None], 1),
        (&[(HEADERS, "api-key=1,content-length=0")], [None, None], 1),
    ] {
        let collector = Collector::start([Reply::status(200)]);
        let url = collector.url();
        let pairs: Vec<(&str, &str)> =
            pairs.iter().copied().chain([("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())]).collect();
        let (mut exporter, problems) = read(&pairs);
        assert_eq!(problems.len(), n_problems, "{pairs:?}: {problems:?}");
        export(&mut exporter, "work", 1).unwrap();
        flush(&mut exporter, LONG);
        let received = collector.receive();
        let [api_key, other] = ["api-key", "x-y"].map(|name| received.header(name));
        assert_eq!([api_key, other], expected, "{pairs:?}");
        assert_eq!(received.header("content-type"), Some("application/x-protobuf"));
    }
}
