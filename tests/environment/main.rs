//! What a process's own environment does: read as it is, and what is wrong in it told once.

use std::ffi::{OsStr, OsString};
use std::process::Command;

/// What the program said.
#[derive(Debug)]
struct Said {
    /// The first of its two rounds.
    configuration: String,
    headers: String,
    warnings: Vec<String>,
}

impl Said {
    /// Returns what stands in a row of the configuration behind the setting's name.
    fn row(&self, name: &str) -> String {
        let row = self.configuration.lines().find(|line| line.split(' ').next() == Some(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in {self:?}"));
        row.split_whitespace().skip(1).collect::<Vec<&str>>().join(" ")
    }

    fn warnings_of(&self, name: &str) -> Vec<&str> {
        let of_name = |warning: &&str| warning.contains(name);
        self.warnings.iter().map(String::as_str).filter(of_name).collect()
    }
}

/// Runs the program with these variables and no others.
fn run<V: AsRef<OsStr>>(variables: &[(&str, V)]) -> Said {
    run_with(&[], variables)
}

fn run_with<V: AsRef<OsStr>>(arguments: &[&str], variables: &[(&str, V)]) -> Said {
    let mut program = Command::new(env!("CARGO_BIN_EXE_from_env"));
    program.args(arguments);
    program.env_clear().envs(variables.iter().map(|(name, value)| (name, value.as_ref())));
    let output = program.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (configuration, rest) = text.split_once("headers: ").unwrap();
    let (headers, second) = rest.split_once('\n').unwrap();
    assert_eq!(second, format!("{configuration}headers: {headers}\n"), "the second round differs");
    Said {
        configuration: configuration.to_owned(),
        headers: headers.to_owned(),
        warnings: errors.lines().map(str::to_owned).collect(),
    }
}

#[test]
fn an_empty_environment_gives_the_defaults_and_no_word() {
    let said = run_with(&["--no-span"], &[("OTEL_SERVICE_NAME", ""); 0]);
    for (name, row) in [
        ("OTEL_SDK_DISABLED", "false default"),
        ("OTEL_SERVICE_NAME", "unknown_service:from_env default"),
        ("OTEL_RESOURCE_ATTRIBUTES", "- default"),
        ("OTEL_PROPAGATORS", "tracecontext,baggage default"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_on default"),
        ("OTEL_TRACES_EXPORTER", "jaeger default"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "localhost default"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "6831 default"),
        ("OTEL_EXPORTER_JAEGER_PROTOCOL", "udp/thrift.compact default"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000 default"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "30000 default"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "- default"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512 default"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "128 default"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "- default"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "128 default"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "128 default"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "128 default"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "128 default"),
        ("OTEL_LOG_LEVEL", "info default"),
    ] {
        assert_eq!(said.row(name), row, "{name}");
    }
    assert_eq!(said.headers, r#"["traceparent", "tracestate", "baggage"]"#);
    assert_eq!(said.warnings, [""; 0]);
    let said = run(&[("OTEL_TRACES_EXPORTER", "none")]);
    assert_eq!(said.warnings, ["tracing: recording: true"; 2]);
}

#[test]
fn each_variable_of_the_process_is_read() {
    let said = run(&[
        ("OTEL_SERVICE_NAME", " checkout "),
        ("OTEL_RESOURCE_ATTRIBUTES", "zone=a%2Cb,service.name=other"),
        ("OTEL_PROPAGATORS", "b3,baggage"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "0"),
    ]);
    for (name, row) in [
        ("OTEL_SERVICE_NAME", "checkout environment"),
        ("OTEL_RESOURCE_ATTRIBUTES", "zone=a%2Cb,service.name=other environment"),
        ("OTEL_TRACES_SAMPLER_ARG", "0 environment"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0 environment, OTEL_ATTRIBUTE_COUNT_LIMIT"),
    ] {
        assert_eq!(said.row(name), row, "{name}");
    }
    assert_eq!(said.headers, r#"["b3", "baggage"]"#);
    assert_eq!(said.warnings, ["tracing: recording: false"; 2]);
}

#[test]
fn what_is_wrong_is_told_once_in_the_life_of_a_process() {
    let said = run(&[
        ("OTEL_PROPAGATORS", "xray"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many"),
        ("OTEL_BSP_SCHEDULE_DELAY", "99999999999999999999"),
        ("OTEL_CONFIG_FILE", "otel.yaml"),
        ("OTEL_SDK_DISABLED", "1"),
    ]);
    for (name, value) in [
        ("OTEL_PROPAGATORS", "xray"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many"),
        ("OTEL_BSP_SCHEDULE_DELAY", "99999999999999999999"),
        ("OTEL_CONFIG_FILE", "otel.yaml"),
        ("OTEL_SDK_DISABLED", "1"),
    ] {
        // Two providers and two composite propagators have read it.
        let warnings = said.warnings_of(name);
        assert_eq!(warnings.len(), 1, "{said:?}");
        let start = format!("tracing: {name}: {value:?} is left out, allowed: ");
        assert!(warnings[0].starts_with(&start) && warnings[0].len() > start.len(), "{said:?}");
    }
    assert_eq!(said.warnings_of("recording: true").len(), 2);
}

#[test]
fn sdk_disabled_records_nothing_and_leaves_the_propagators() {
    let said = run(&[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_PROPAGATORS", "jaeger")]);
    assert_eq!(said.warnings, ["tracing: recording: false"; 2]);
    assert_eq!(said.headers, r#"["uber-trace-id"]"#);
}

#[test]
fn the_log_level_says_how_much_is_said() {
    let run_at = |level| {
        run(&[
            ("OTEL_LOG_LEVEL", level),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "many"),
        ])
    };
    for (level, n_warnings, n_infos, has_configuration) in [
        ("debug", 1, 2, true),
        ("", 1, 2, false),
        ("info", 1, 2, false),
        ("WARN", 1, 0, false),
        ("error", 0, 0, false),
        ("none", 0, 0, false),
    ] {
        let said = run_at(level);
        assert_eq!(said.warnings_of("tracing: OTEL_SPAN_LINK_COUNT_LIMIT").len(), n_warnings);
        assert_eq!(said.warnings_of("recording: true").len(), n_infos, "{level:?}");
        let is_configuration = |line: &String| line.ends_with("configuration:");
        assert_eq!(said.warnings.iter().any(is_configuration), has_configuration, "{level:?}");
    }
    let said = run_at("loud");
    assert_eq!(said.warnings_of("OTEL_LOG_LEVEL: \"loud\" is left out").len(), 1);
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_told_and_the_default_holds() {
    use std::os::unix::ffi::OsStringExt;

    let not_text = || OsString::from_vec(b"a=\xFF".to_vec());
    let said = run(&[
        ("OTEL_SERVICE_NAME", not_text()),
        ("OTEL_RESOURCE_ATTRIBUTES", not_text()),
        ("OTEL_PROPAGATORS", not_text()),
        ("OTEL_TRACES_EXPORTER", OsString::from("none")),
    ]);
    for name in ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS"] {
        let warnings = said.warnings_of(name);
        assert_eq!(warnings.len(), 1, "{said:?}");
        assert!(warnings[0].ends_with(", in UTF-8"), "{said:?}");
    }
    assert_eq!(said.row("OTEL_SERVICE_NAME"), "unknown_service:from_env default");
    assert_eq!(said.headers, r#"["traceparent", "tracestate", "baggage"]"#);
}

#[test]
fn a_value_without_end_is_told_in_one_short_line() {
    // As much as Linux takes for one variable.
    let long = "a=b,".repeat(32_000);
    let said =
        run(&[("OTEL_RESOURCE_ATTRIBUTES", long.as_str()), ("OTEL_TRACES_EXPORTER", "none")]);
    let warnings = said.warnings_of("OTEL_RESOURCE_ATTRIBUTES");
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].len() < 400 && warnings[0].ends_with("65536 bytes at the most"),
        "{said:?}"
    );
}

#[test]
fn resources_of_two_schemas_are_told_where_they_meet() {
    // The logger is this whole process's, and no other test here needs one: what they look at is said by their children.
    let (sender, said) = std::sync::mpsc::channel();
    otel_core::diagnostics::set_logger(move |_, message| _ = sender.send(message.to_string()));
    let [old, new] =
        ["old", "new"].map(|schema| otel_core::Resource::empty().with_schema_url(schema));
    assert_eq!(old.merge(&old).merge(&otel_core::Resource::empty()).schema_url(), "old");
    assert_eq!(said.try_iter().count(), 0);
    assert_eq!(old.merge(&new).schema_url(), "");
    let said: Vec<String> = said.try_iter().collect();
    assert!(said.len() == 1 && said[0].contains(r#""old""#) && said[0].contains(r#""new""#));
}
