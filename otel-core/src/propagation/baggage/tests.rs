use super::super::testing::{Lcg, as_pairs, extracted, injected, span_context};
use super::*;
use crate::span_context::TraceFlags;

fn w3c() -> BaggagePropagator {
    BaggagePropagator::new()
}

fn sent(baggage: &Baggage) -> Option<String> {
    let headers = injected(&w3c(), &SpanContext::invalid(), baggage);
    assert!(headers.len() <= 1);
    headers.get("baggage").cloned()
}

/// Returns names, values and metadata as one text, the shape of the tables.
fn read(headers: &[&str]) -> Vec<String> {
    let headers: Vec<(&str, &str)> = headers.iter().map(|header| ("baggage", *header)).collect();
    let extracted = extracted(&w3c(), &headers);
    assert_eq!((extracted.span_context, extracted.malformed_headers), (None, 0));
    let items = extracted.baggage.iter();
    items.map(|item| format!("{}|{}|{}", item.name, item.value, item.metadata)).collect()
}

#[test]
fn values_are_percent_coded_and_a_plus_can_be_taken_for_nothing_else() {
    for (value, expected) in [
        ("plain", "a=plain"),
        ("", "a="),
        ("a b", "a=a%20b"),
        ("a+b", "a=a%2Bb"),
        ("+ +", "a=%2B%20%2B"),
        ("100%", "a=100%25"),
        ("a=b", "a=a=b"),
        ("\",;\\", "a=%22%2C%3B%5C"),
        ("ä€", "a=%C3%A4%E2%82%AC"),
        ("\r\n\0\t\u{7f}", "a=%0D%0A%00%09%7F"),
        ("!#$&'()*-./:<>?@[]^_`{|}~", "a=!#$&'()*-./:<>?@[]^_`{|}~"),
    ] {
        let baggage = Baggage::new().with("a", value);
        assert_eq!(sent(&baggage).as_deref(), Some(expected), "value {value:?}");
        assert_eq!(extracted(&w3c(), &[("baggage", expected)]).baggage, baggage, "value {value:?}");
        // Who reads a plus as a space, as forms are read, finds the same.
        let as_form = text::percent_decoded(&expected[2..], text::Plus::Space);
        assert_eq!(as_form.as_deref(), Some(value), "value {value:?}");
    }
}

#[test]
fn a_name_that_is_no_token_is_not_sent() {
    for name in ["a b", "a,b", "a=b", "a;b", "ä", "a\r\n", "a\"", "a/b", "(a)"] {
        assert_eq!(sent(&Baggage::new().with(name, "1")), None, "name {name:?}");
        assert_eq!(sent(&Baggage::new().with(name, "1").with("b", "2")).as_deref(), Some("b=2"));
    }
    assert_eq!(
        sent(&Baggage::new().with("A-b_c.d~!#$%&'*+^`|", "1")).as_deref(),
        Some("A-b_c.d~!#$%&'*+^`|=1")
    );
}

#[test]
fn members_are_read_as_w3c_writes_them() {
    for (header, expected) in [
        ("SomeKey=SomeValue", &["SomeKey|SomeValue|"][..]),
        ("SomeKey=SomeValue;SomeProp", &["SomeKey|SomeValue|SomeProp"]),
        ("a=1;p;q=2", &["a|1|p;q=2"]),
        ("a=1,b=2", &["a|1|", "b|2|"]),
        ("a \t = \t 1 \t ; \t p \t , \t b=2", &["a|1|p", "b|2|"]),
        ("a=1=2==", &["a|1=2==|"]),
        ("a=", &["a||"]),
        ("a=a%20b", &["a|a b|"]),
        ("a=a+b", &["a|a+b|"]),
        ("a=%C3%A4", &["a|ä|"]),
        ("a=%FF", &["a|\u{FFFD}|"]),
        ("a=100%", &["a|100%|"]),
        ("a=%zz", &["a|%zz|"]),
        ("a%20b=1", &["a%20b|1|"]), // names are not coded
        ("a=1;p=a%20b", &["a|1|p=a%20b"]),
        ("a=1,a=2,b=3", &["a|2|", "b|3|"]),
        ("A=1,a=2", &["A|1|", "a|2|"]),
        ("", &[]),
        (" , ,, ", &[]),
    ] {
        assert_eq!(read(&[header]), expected, "header {header:?}");
    }
}

#[test]
fn a_malformed_member_is_skipped_and_the_others_stay() {
    for member in ["broken", "=1", " =1", "a b=1", "ä=1", ";p=1", "(x)=1", ";", "broken;a=1"] {
        for header in
            [format!("{member},ok=1"), format!("ok=1,{member}"), format!("ok=1,{member},,")]
        {
            assert_eq!(read(&[&header]), ["ok|1|"], "header {header:?}");
        }
    }
}

#[test]
fn several_headers_make_one_baggage() {
    assert_eq!(read(&["a=1", "", "b=2,a=3"]), ["a|3|", "b|2|"]);
}

#[test]
fn metadata_is_handed_on_as_it_came() {
    let header = "a=1;p;q=a%20b,b=2";
    let found = extracted(&w3c(), &[("baggage", header)]).baggage;
    assert_eq!(sent(&found).as_deref(), Some(header));
    for (metadata, expected) in [
        (" p ", "a=1;p"),
        ("p, b=2", "a=1"),
        ("p\r\nevil: 1", "a=1"),
        ("ä", "a=1"),
        (" ", "a=1"),
        ("p = 1", "a=1;p = 1"),
    ] {
        let baggage = Baggage::new().with_metadata("a", "1", metadata);
        assert_eq!(sent(&baggage).as_deref(), Some(expected), "metadata {metadata:?}");
    }
}

#[test]
fn members_beyond_the_limits_are_left_out_whole() {
    let many: Baggage = (0..200)
        .map(|n| BaggageItem { name: format!("k{n}"), value: "v".into(), metadata: String::new() })
        .collect();
    let header = sent(&many).unwrap();
    assert_eq!((header.split(',').count(), header.ends_with(",k179=v")), (180, true));
    let all = (0..200).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(read(&[&all]).len(), 180);

    let (fits, too_long) = ("v".repeat(8190), "v".repeat(8191));
    assert_eq!(sent(&Baggage::new().with("a", &fits)).unwrap().len(), 8192);
    assert_eq!(sent(&Baggage::new().with("a", &too_long).with("b", "2")).as_deref(), Some("b=2"));
    assert_eq!(sent(&Baggage::new().with("b", "2").with("a", &fits)).as_deref(), Some("b=2"));
    assert_eq!(read(&[&format!("a={fits}")]).len(), 1);
    assert_eq!(read(&[&format!("a={fits},b=2")]).len(), 1);
    assert_eq!(read(&[&format!("a={too_long},b=2")]), ["b|2|"]);
    let sixty_four =
        (0..64).map(|n| format!("k{n:02}={}", "v".repeat(123))).collect::<Vec<_>>().join(",");
    let found = extracted(&w3c(), &[("baggage", &sixty_four)]).baggage;
    assert_eq!((sixty_four.len(), sent(&found)), (8191, Some(sixty_four)));
}

#[test]
fn without_baggage_there_is_no_header_and_without_a_span_there_is() {
    assert_eq!(sent(&Baggage::new()), None);
    let baggage = Baggage::new().with("a", "1");
    assert_eq!(sent(&baggage).as_deref(), Some("a=1"));
    let headers = injected(&w3c(), &span_context(1, TraceFlags::SAMPLED), &baggage);
    assert_eq!(as_pairs(&headers), [("baggage", "a=1")]);
    assert_eq!(w3c().fields(), ["baggage"]);
}

#[test]
fn what_is_written_is_read_again_whatever_the_values() {
    let mut chance = Lcg(3);
    for _ in 0..2000 {
        let baggage: Baggage = (0..chance.below(6))
            .map(|n| BaggageItem {
                name: format!("{n}{}", chance.text("abXYZ019-_.!%", 8)),
                value: chance.text("aZ09 +%,;=&:/\\\"\r\n\0äß€😀", 20),
                metadata: chance.text("p=;q", 6),
            })
            .collect();
        let headers = injected(&w3c(), &SpanContext::invalid(), &baggage);
        assert_eq!(extracted(&w3c(), &as_pairs(&headers)).baggage, baggage);
    }
}
