//! A span in the shapes that OpenTelemetry's Python SDK has printed over the years.

use super::ConsoleFormat;
use super::json::Json;
use crate::record::{EventView, LinkView, SpanView};
use crate::resource::Resource;
use crate::span::{SpanKind, StatusCode};

/// Appends a span, without a line end.
pub(super) fn write_span(
    format: ConsoleFormat,
    span: &SpanView<'_>,
    resource: &Resource,
    text: &mut String,
) {
    Json::new(text).object(|json| {
        json.key("name").text(span.name().as_str());
        json.key("context").object(|json| {
            json.key("trace_id").text(&format!("0x{}", span.trace_id()));
            json.key("span_id").text(&format!("0x{}", span.span_id()));
            let trace_state = trace_state_text(format, span.trace_state().as_str());
            json.key("trace_state").text(&trace_state);
        });
        json.key("kind").text(kind_name(span.kind()));
        match span.parent_span_id() {
            parent if parent.is_valid() => json.key("parent_id").text(&format!("0x{parent}")),
            _ => json.key("parent_id").null(),
        }
        write_time(json.key("start_time"), span.start_unix_nanos());
        write_time(json.key("end_time"), span.end_unix_nanos());
        json.key("status").object(|json| {
            let (key, name) = status_code(format, span.status());
            json.key(key).text(name);
            if !span.status_description().is_empty() {
                json.key("description").text(span.status_description().as_str());
            }
        });
        json.key("attributes").attributes(span.attributes());
        json.key("events").array(|json| span.events().for_each(|event| write_event(json, &event)));
        json.key("links")
            .array(|json| span.links().for_each(|link| write_link(format, json, &link)));
        match format {
            ConsoleFormat::Python2020 | ConsoleFormat::Python2021 => {}
            ConsoleFormat::Launcher => json.key("resource").attributes(resource.attributes()),
            _ => json.key("resource").object(|json| {
                json.key("attributes").attributes(resource.attributes());
                json.key("schema_url").text(resource.schema_url());
            }),
        }
    });
}

fn write_event(json: &mut Json<'_>, event: &EventView<'_>) {
    json.item().object(|json| {
        json.key("name").text(event.name().as_str());
        write_time(json.key("timestamp"), event.unix_nanos());
        json.key("attributes").attributes(event.attributes());
    });
}

fn write_link(format: ConsoleFormat, json: &mut Json<'_>, link: &LinkView<'_>) {
    json.item().object(|json| {
        json.key("context").object(|json| {
            json.key("trace_id").text(&format!("0x{}", link.trace_id()));
            json.key("span_id").text(&format!("0x{}", link.span_id()));
            let trace_state = trace_state_text(format, link.trace_state().as_str());
            json.key("trace_state").text(&trace_state);
        });
        json.key("attributes").attributes(link.attributes());
    });
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "SpanKind.INTERNAL",
        SpanKind::Client => "SpanKind.CLIENT",
        SpanKind::Server => "SpanKind.SERVER",
        SpanKind::Producer => "SpanKind.PRODUCER",
        SpanKind::Consumer => "SpanKind.CONSUMER",
    }
}

/// Returns the key of a status and its name. Until 2021 what nobody set was fine, and in 2020 the names were gRPC's: a failure
/// whose kind nobody knows is UNKNOWN there.
fn status_code(format: ConsoleFormat, status: StatusCode) -> (&'static str, &'static str) {
    match (format, status) {
        (ConsoleFormat::Python2020, StatusCode::Error) => ("canonical_code", "UNKNOWN"),
        (ConsoleFormat::Python2020, _) => ("canonical_code", "OK"),
        (ConsoleFormat::Python2021, StatusCode::Unset) => ("status_code", "OK"),
        _ => ("status_code", status.as_str()),
    }
}

/// Shows a trace state as Python shows a dictionary, or later a list of texts, one for each member.
fn trace_state_text(format: ConsoleFormat, trace_state: &str) -> String {
    let is_dictionary = matches!(format, ConsoleFormat::Python2020 | ConsoleFormat::Python2021);
    let members = trace_state.split(',').filter_map(|member| member.split_once('='));
    let members: Vec<String> = members
        .map(|(key, value)| match is_dictionary {
            true => format!("{}: {}", python_literal(key), python_literal(value)),
            false => python_literal(&format!("{{key={key}, value={value}}}")),
        })
        .collect();
    let members = members.join(", ");
    if is_dictionary { format!("{{{members}}}") } else { format!("[{members}]") }
}

/// Quotes a text as Python does: in single quotes, unless it has some and no double ones. A trace state is visible ASCII.
fn python_literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\");
    match (text.contains('\''), text.contains('"')) {
        (true, false) => format!("\"{escaped}\""),
        _ => format!("'{}'", escaped.replace('\'', "\\'")),
    }
}

/// Shows a moment as `2020-05-07T14:39:52.906272Z`; the epoch itself is a time that was never set.
fn write_time(json: &mut Json<'_>, unix_nanos: u64) {
    match unix_nanos {
        0 => json.null(),
        _ => json.text(&utc_time(unix_nanos)),
    }
}

pub(super) fn utc_time(unix_nanos: u64) -> String {
    let (seconds, micros) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000 / 1_000);
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Returns year, month and day, of days since 1970-01-01, in the Gregorian calendar.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of the year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let era = days / DAYS_OF_400_YEARS;
    let day_of_era = days % DAYS_OF_400_YEARS;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const DAYS_OF_400_YEARS: u64 = 146_097;
