use super::*;
use crate::jaeger::env::read;

fn from_vars(vars: &[(&str, &str)]) -> Config {
    read(&|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn problems(config: Config) -> Vec<(&'static str, String)> {
    let error = config.build().expect_err("the configuration should be refused");
    error.problems().iter().map(|problem| (problem.key, problem.value.clone())).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_key_value_and_what_is_allowed() {
    let config = from_vars(&[
        ("JAEGER_SERVICE_NAME", "  "),
        ("JAEGER_AGENT_PORT", "many"),
        ("JAEGER_SAMPLER_TYPE", "sometimes"),
        ("JAEGER_SAMPLER_PARAM", "7"),
        ("JAEGER_REPORTER_LOG_SPANS", "maybe"),
        ("JAEGER_PROPAGATION", "jaeger,zipkin"),
        ("JAEGER_DISABLED", "2"),
    ]);
    let error = config.build().unwrap_err();
    assert_eq!(error.problems().len(), 7);
    let text = error.to_string();
    for part in [
        "service name is \"\", allowed: a name that is not empty (JAEGER_SERVICE_NAME)",
        "JAEGER_AGENT_PORT is \"many\", allowed: 1 to 65535",
        "JAEGER_SAMPLER_TYPE is \"sometimes\", allowed: const",
        "JAEGER_SAMPLER_PARAM is \"7\", allowed: 0 or 1 (sampler type const)",
        "JAEGER_REPORTER_LOG_SPANS is \"maybe\", allowed: true, false, 1 or 0",
        "JAEGER_PROPAGATION is \"jaeger,zipkin\", allowed: jaeger, b3 and w3c, one or several with commas between them",
        "JAEGER_DISABLED is \"2\", allowed: true, false, 1 or 0",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn bad_values_given_in_code_are_told_the_same_way() {
    let config = Config::new("")
        .agent_host(" ")
        .agent_port(0)
        .flush_interval(Duration::ZERO)
        .max_queue_bytes(1)
        .max_queue_spans(0)
        .max_packet_bytes(100_000)
        .trace_id_bits(96);
    let keys: Vec<&str> = problems(config).into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "service name",
            "agent host",
            "agent port",
            "flush interval",
            "max queue bytes",
            "max queue spans",
            "max packet bytes",
            "trace id bits"
        ]
    );
}

#[test]
fn a_host_that_can_never_work_is_refused() {
    for host in ["localhost:6831", "http://localhost", "[::1]:6831", "a b", "[]", "h\u{FFFD}", ""] {
        let keys: Vec<_> =
            problems(Config::new("s").agent_host(host)).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["agent host"], "{host:?}");
    }
    for host in ["localhost", " localhost ", "127.0.0.1", "::1", "[::1]", "agent.example.", "größe"]
    {
        Config::new("s").agent_host(host).build().unwrap();
    }
}

#[test]
fn a_disabled_tracer_starts_whatever_else_is_wrong() {
    let vars = [
        ("JAEGER_DISABLED", "true"),
        ("JAEGER_SAMPLER_TYPE", "remote"),
        ("JAEGER_AGENT_PORT", "x"),
    ];
    from_vars(&vars).build().unwrap();
}

#[test]
fn an_error_that_leaves_main_is_readable() {
    let error = Config::new("").build().unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn values_at_the_edge_of_what_is_allowed_are_taken() {
    for port in ["1", "65535", " 6831 "] {
        from_vars(&[("JAEGER_SERVICE_NAME", "s"), ("JAEGER_AGENT_PORT", port)]).build().unwrap();
    }
    for port in ["0", "65536", "-1", "6831x", "0x1AAF", "68 31"] {
        let config = from_vars(&[("JAEGER_SERVICE_NAME", "s"), ("JAEGER_AGENT_PORT", port)]);
        assert_eq!(problems(config), [("JAEGER_AGENT_PORT", port.to_owned())]);
    }
}

#[test]
fn a_setter_after_the_environment_wins_over_a_bad_value_too() {
    let vars = [
        ("JAEGER_SERVICE_NAME", "s"),
        ("JAEGER_AGENT_PORT", "many"),
        ("JAEGER_SAMPLER_TYPE", "sometimes"),
    ];
    let config = from_vars(&vars).agent_port(6831).sampler(Sampler::Const(false));
    assert_eq!((config.agent_port, config.sampler), (6831, Sampler::Const(false)));
    config.build().unwrap();
}

#[test]
fn the_environment_sets_everything_it_names() {
    let config = from_vars(&[
        ("JAEGER_SERVICE_NAME", "shop"),
        ("OTEL_SERVICE_NAME", "not me"),
        ("JAEGER_AGENT_HOST", "agent"),
        ("JAEGER_AGENT_PORT", "7000"),
        ("JAEGER_SAMPLER_TYPE", "Const"),
        ("JAEGER_SAMPLER_PARAM", "0"),
        ("JAEGER_REPORTER_LOG_SPANS", "TRUE"),
        ("JAEGER_REPORTER_FLUSH_INTERVAL", "500ms"),
        ("JAEGER_REPORTER_MAX_QUEUE_SIZE", "1000"),
        ("JAEGER_TRACEID_128BIT", "false"),
        ("JAEGER_PROPAGATION", "B3, jaeger"),
        ("JAEGER_DISABLED", "f"),
    ]);
    assert_eq!(
        (config.service_name.as_str(), config.agent_host.as_str(), config.agent_port),
        ("shop", "agent", 7000)
    );
    assert_eq!((config.sampler, config.log_spans), (Sampler::Const(false), true));
    assert_eq!(
        (config.flush_interval, config.max_queue_spans),
        (Duration::from_millis(500), Some(1000))
    );
    assert_eq!((config.trace_id_bits, config.is_disabled), (64, false));
    assert_eq!(config.propagation, [Propagation::B3, Propagation::Jaeger]);
}

#[test]
fn opentelemetrys_variables_stand_in_where_jaegers_are_not_set() {
    let config = from_vars(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("JAEGER_AGENT_HOST", ""),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "agent"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "7000"),
    ]);
    assert_eq!(
        (config.service_name.as_str(), config.agent_host.as_str(), config.agent_port),
        ("shop", "agent", 7000)
    );
    let config =
        from_vars(&[("OTEL_SERVICE_NAME", "shop"), ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "many")]);
    assert_eq!(
        config.agent_port, 6831,
        "a bad value of OpenTelemetry's is warned about and left out"
    );
    config.build().unwrap();
}

#[test]
fn a_bad_pair_of_tags_is_left_out_and_the_others_stay() {
    let config = from_vars(&[
        ("JAEGER_SERVICE_NAME", "s"),
        (
            "JAEGER_TAGS",
            "a=1, broken, =2, b = x=y ,c=${HOME_TOWN:Berlin},d=${COLOUR:red},e=${UNSET}, ,f=",
        ),
        ("COLOUR", "blue"),
    ]);
    let tags: Vec<(&str, &str)> =
        config.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str().unwrap())).collect();
    assert_eq!(
        tags,
        [("a", "1"), ("b", "x=y"), ("c", "Berlin"), ("d", "blue"), ("e", ""), ("f", "")]
    );
    config.build().unwrap();
}

#[test]
fn durations_are_read_with_their_unit() {
    for (text, expected) in [
        ("500ms", Some(Duration::from_millis(500))),
        ("2s", Some(Duration::from_secs(2))),
        ("1.5s", Some(Duration::from_millis(1500))),
        ("1m", Some(Duration::from_secs(60))),
        ("250", Some(Duration::from_millis(250))),
        ("0", None),
        ("-1s", None),
        ("s", None),
        ("1 s", None),
        ("1e9h", None),
        ("99999999999999999999999h", None),
        ("NaN", None),
    ] {
        let config =
            from_vars(&[("JAEGER_SERVICE_NAME", "s"), ("JAEGER_REPORTER_FLUSH_INTERVAL", text)]);
        match expected {
            Some(expected) => assert_eq!(config.flush_interval, expected, "{text}"),
            None => {
                assert_eq!(problems(config), [("JAEGER_REPORTER_FLUSH_INTERVAL", text.to_owned())])
            }
        }
    }
}

#[test]
fn a_parameter_of_the_const_sampler_is_one_of_two() {
    for (text, expected) in
        [("1", true), ("0", false), ("1.0", true), ("0.0", false), ("true", true), ("False", false)]
    {
        let config = from_vars(&[("JAEGER_SERVICE_NAME", "s"), ("JAEGER_SAMPLER_PARAM", text)]);
        assert_eq!(config.sampler, Sampler::Const(expected), "{text}");
    }
    for text in ["2", "-1", "0.5", "NaN", "yes"] {
        let config = from_vars(&[("JAEGER_SERVICE_NAME", "s"), ("JAEGER_SAMPLER_PARAM", text)]);
        assert_eq!(problems(config), [("JAEGER_SAMPLER_PARAM", text.to_owned())]);
    }
}
