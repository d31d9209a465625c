//! Values of variables: each function reads one type, and answers `None` to what is none.
//!
//! To be handed to [`Environment::read`](super::Environment::read), which has taken off the space around a value.

use std::collections::HashMap;
use std::time::Duration;

use crate::propagation::{Plus, percent_decoded};

/// Reads any text.
pub fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// Reads `true` or `false`, in any case.
pub fn flag(value: &str) -> Option<bool> {
    let is = |word| value.eq_ignore_ascii_case(word);
    (is("true") || is("false")).then(|| is("true"))
}

/// Reads a whole number, zero or more: digits and nothing else.
pub fn count(value: &str) -> Option<usize> {
    // What the standard library reads may have a plus sign.
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())?
}

/// Reads a port, from 1 to 65535.
pub fn port(value: &str) -> Option<u16> {
    count(value).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// Reads a number of milliseconds, from 1 to those of a day.
pub fn interval(value: &str) -> Option<Duration> {
    millis(value).filter(|interval| !interval.is_zero())
}

/// Reads a number of milliseconds, up to those of a day; zero stands for no limit, which is a day too.
pub fn timeout(value: &str) -> Option<Duration> {
    millis(value).map(|timeout| if timeout.is_zero() { LONGEST } else { timeout })
}

fn millis(value: &str) -> Option<Duration> {
    let millis = u64::try_from(count(value)?).ok()?;
    Some(Duration::from_millis(millis)).filter(|duration| *duration <= LONGEST)
}

/// Reads a number from 0 to 1.
pub fn ratio(value: &str) -> Option<f64> {
    value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

/// Reads texts with commas between them. Empty ones are passed over, and a repeated one counts once.
///
/// `None` for more than 64, and where there is none at all.
pub fn list(value: &str) -> Option<Vec<&str>> {
    let mut items = Vec::new();
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
        if items.len() > MAX_ITEMS {
            return None;
        }
    }
    (!items.is_empty()).then_some(items)
}

/// Reads `key=value` pairs with commas between them. Keys and values may be percent-coded, and must be where they have a
/// comma; a plus is a plus. Of a key that comes twice the last value stays, at the place of the first.
///
/// `None` for a pair without `=` or without a key, for coding that is wrong, and for more than 1,024 pairs: one bad pair
/// spoils all.
///
/// Source: `open-telemetry/opentelemetry-specification:specification/resource/sdk.md`.
pub fn pairs(value: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for pair in value.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        let decoded = |text: &str| Some(percent_decoded(text.trim(), Plus::Literal)?.into_owned());
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() {
            return None;
        }
        match places.get(&key) {
            Some(place) => pairs[*place].1 = value,
            None if pairs.len() == MAX_PAIRS => return None,
            None => {
                places.insert(key.clone(), pairs.len());
                pairs.push((key, value));
            }
        }
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// The argument of a sampler that asks a Jaeger agent or collector: what it does not name stays as the sampler has it.
///
/// Source: `open-telemetry/opentelemetry-specification:specification/configuration/sdk-environment-variables.md`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RemoteSampling {
    /// Where to ask: `endpoint`.
    pub endpoint: Option<String>,
    /// How often: `pollingIntervalMs`.
    pub polling_interval: Option<Duration>,
    /// Which share of traces to keep before the first answer: `initialSamplingRate`.
    pub initial_sampling_rate: Option<f64>,
}

/// Reads `endpoint=http://localhost:14250,pollingIntervalMs=5000,initialSamplingRate=0.25`, or some of it, in any order.
pub fn remote_sampling(value: &str) -> Option<RemoteSampling> {
    let mut settings = RemoteSampling::default();
    for setting in value.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
        let (key, value) = setting.split_once('=')?;
        match (key.trim(), value.trim()) {
            (_, "") => return None,
            ("endpoint", value) => settings.endpoint = Some(value.to_owned()),
            ("pollingIntervalMs", value) => settings.polling_interval = Some(interval(value)?),
            ("initialSamplingRate", value) => settings.initial_sampling_rate = Some(ratio(value)?),
            _ => return None,
        }
    }
    Some(settings)
}

/// Longer would be a mistake, and could not be added to every moment.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_ITEMS: usize = 64;
const MAX_PAIRS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_true_or_false_in_any_case() {
        for (value, expected) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("False", Some(false)),
            ("1", None),
            ("yes", None),
            ("", None),
            ("true ", None), // the space is taken off by whoever reads
        ] {
            assert_eq!(flag(value), expected, "value {value:?}");
        }
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        for (value, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(usize::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("1e3", None),
            ("1_000", None),
            ("0x10", None),
            ("١", None), // a digit, but none of ASCII's
            ("", None),
        ] {
            assert_eq!(count(value), expected, "value {value:?}");
        }
        assert_eq!(count(&"9".repeat(1 << 20)), None);
        assert_eq!(
            [port("1"), port("65535"), port("0"), port("65536")],
            [Some(1), Some(65535), None, None]
        );
    }

    #[test]
    fn times_are_milliseconds_up_to_a_day() {
        let day = Duration::from_secs(86_400);
        for (value, as_interval, as_timeout) in [
            ("1", Some(Duration::from_millis(1)), Some(Duration::from_millis(1))),
            ("0", None, Some(day)),
            ("86400000", Some(day), Some(day)),
            ("86400001", None, None),
            ("18446744073709551615", None, None),
            ("99999999999999999999", None, None),
            ("-5", None, None),
            ("5s", None, None),
            ("1.5", None, None),
        ] {
            assert_eq!(interval(value), as_interval, "interval {value:?}");
            assert_eq!(timeout(value), as_timeout, "timeout {value:?}");
        }
    }

    #[test]
    fn a_ratio_is_a_number_from_zero_to_one() {
        for (value, expected) in [
            ("0", Some(0.0)),
            ("1", Some(1.0)),
            ("0.25", Some(0.25)),
            (".5", Some(0.5)),
            ("1e-3", Some(0.001)),
            ("1e-999", Some(0.0)),
            ("1.0000001", None),
            ("-0.1", None),
            ("1e999", None),
            ("NaN", None),
            ("inf", None),
            ("50%", None),
            ("0,5", None),
            ("", None),
        ] {
            assert_eq!(ratio(value), expected, "value {value:?}");
        }
    }

    #[test]
    fn a_list_has_each_item_once() {
        for (value, expected) in [
            ("a", Some(vec!["a"])),
            (" b ,a,, b,", Some(vec!["b", "a"])),
            (",", None),
            (" , ", None),
            ("", None),
        ] {
            assert_eq!(list(value), expected, "value {value:?}");
        }
        let many = |n: usize| (0..n).map(|index| format!("{index},")).collect::<String>();
        assert_eq!(list(&many(64)).unwrap().len(), 64);
        assert_eq!(list(&many(65)), None);
        assert_eq!(list(&"a,".repeat(1 << 19)), Some(vec!["a"]));
    }

    #[test]
    fn pairs_are_decoded_and_one_that_is_wrong_spoils_all() {
        for (value, expected) in [
            ("a=1", Some(&[("a", "1")][..])),
            (" a = 1 ,, b=2 ,", Some(&[("a", "1"), ("b", "2")])),
            ("a=1,b=2,a=3", Some(&[("a", "3"), ("b", "2")])),
            ("a=", Some(&[("a", "")])),
            ("a=b=c", Some(&[("a", "b=c")])),
            ("a=x%2Cy%3Dz%20", Some(&[("a", "x,y=z ")])),
            ("k%2Cey=v", Some(&[("k,ey", "v")])),
            ("a=1+1", Some(&[("a", "1+1")])),
            ("a=ä%C3%A4", Some(&[("a", "ää")])),
            ("a=1;b=2", Some(&[("a", "1;b=2")])),
            ("a", None),
            ("a=1,b", None),
            ("=1", None),
            (" =1", None),
            ("a=%", None),
            ("a=%4", None),
            ("a=%zz", None),
            ("a=%FF", None),
            ("%FF=a", None),
            (",", None),
            ("", None),
        ] {
            let expected: Option<Vec<(String, String)>> = expected.map(|pairs| {
                pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
            });
            assert_eq!(pairs(value), expected, "value {value:?}");
        }
        let many = |n: usize| (0..n).map(|index| format!("k{index}=v,")).collect::<String>();
        assert_eq!(pairs(&many(1024)).unwrap().len(), 1024);
        assert_eq!(pairs(&many(1025)), None);
        assert_eq!(pairs(&"a=b,".repeat(1 << 18)).unwrap().len(), 1);
    }

    #[test]
    fn a_remote_samplers_argument_is_read_whole_or_not_at_all() {
        let whole = RemoteSampling {
            endpoint: Some("http://localhost:14250/a?b=c%20".to_owned()),
            polling_interval: Some(Duration::from_secs(5)),
            initial_sampling_rate: Some(0.25),
        };
        let rate = RemoteSampling { initial_sampling_rate: Some(0.0), ..Default::default() };
        for (value, expected) in [
            (
                "endpoint=http://localhost:14250/a?b=c%20,pollingIntervalMs=5000,initialSamplingRate=0.25",
                Some(&whole),
            ),
            (
                " initialSamplingRate = 0.25 ,, pollingIntervalMs=5000, endpoint=http://localhost:14250/a?b=c%20 ",
                Some(&whole),
            ),
            ("initialSamplingRate=0", Some(&rate)),
            ("initialSamplingRate=1,initialSamplingRate=0", Some(&rate)),
            ("initialSamplingRate=2", None),
            ("pollingIntervalMs=0", None),
            ("pollingIntervalMs=5s", None),
            ("pollingIntervalMs=99999999999999999999", None),
            ("endpoint=", None),
            ("endpoint", None),
            ("endpoint=x,interval=1", None),
            ("0.25", None),
        ] {
            assert_eq!(remote_sampling(value).as_ref(), expected, "value {value:?}");
        }
    }
}
