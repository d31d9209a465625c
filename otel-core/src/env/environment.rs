//! Where variables are looked up, and what became of them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;

use super::configuration::{Configuration, Problem, Source};
use super::variable::Variable;
use crate::diagnostics;

/// Looks environment variables up, reads typed values, warns about what it cannot use, and remembers what each setting is
/// and where that comes from.
///
/// Whatever reads variables is handed one, so that all of it stands in one [`Configuration`]; a test hands in variables of
/// its own and leaves those of the process alone.
pub struct Environment {
    lookup: Lookup,
    configuration: Configuration,
}

impl Environment {
    /// Looks variables up in the environment of this process.
    pub fn of_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Has these variables and no others.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables: HashMap<String, OsString> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self::from_lookup(move |name| variables.get(name).cloned())
    }

    /// Asks `lookup` for the value of each variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString> + Send + 'static) -> Self {
        Self { lookup: Box::new(lookup), configuration: Configuration::default() }
    }

    /// Reads a variable. `None` where it is not set, empty, or of no use, which is warned about.
    ///
    /// Space around the value is taken off first. Of no use is what `parse` does not know, what is no UTF-8, and what is
    /// longer than 64 KiB.
    pub fn read<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let read = self.parsed(variable, parse);
        self.note(variable, read.as_ref().map(|(_, text)| (variable, text.as_str())));
        read.map(|(value, _)| value)
    }

    /// Reads a setting that has a variable of its own, and more general ones behind it: the first that is set and can be
    /// used counts. The setting goes by the name of the first.
    pub fn read_first<T>(
        &mut self,
        variables: &[&Variable],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let own = variables.first()?;
        for variable in variables {
            if let Some((value, text)) = self.parsed(variable, &parse) {
                self.note(own, Some((variable, &text)));
                return Some(value);
            }
        }
        self.note(own, None);
        None
    }

    /// Warns that a part of a variable is of no use: what `read` could not see, as a name that nothing goes by.
    pub fn refuse(&mut self, variable: &Variable, value: &str) {
        self.refuse_as(variable, value, variable.allowed());
    }

    /// As [`refuse`](Self::refuse), where what is allowed is known only now.
    pub fn refuse_as(&mut self, variable: &Variable, value: &str, allowed: &str) {
        let value = variable.shown(value).into_owned();
        let problem = Problem { name: variable.name(), value, allowed: allowed.to_owned() };
        if self.configuration.add_problem(&problem) {
            let Problem { name, value, .. } = &problem;
            diagnostics::warn_once(
                name,
                value,
                format_args!("{name} is {value:?}, which is left out, allowed: {allowed}"),
            );
        }
    }

    /// Returns what was read until now.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Returns a variable's value with its text; `None` as for [`read`](Self::read).
    fn parsed<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<(T, String)> {
        let value = (self.lookup)(variable.name())?;
        // By its length first: nothing here is to take longer because somebody set a megabyte.
        if value.len() > MAX_VALUE_BYTES {
            let start = String::from_utf8_lossy(&value.as_encoded_bytes()[..MAX_VALUE_BYTES]);
            let allowed = format!("{}, in {MAX_VALUE_BYTES} bytes at the most", variable.allowed());
            self.refuse_as(variable, &start, &allowed);
            return None;
        }
        let text = match value.to_str() {
            Some(text) => text.trim(),
            None => {
                let allowed = format!("{}, in UTF-8", variable.allowed());
                self.refuse_as(variable, &value.to_string_lossy(), &allowed);
                return None;
            }
        };
        if text.is_empty() {
            return None;
        }
        let parsed = parse(text);
        if parsed.is_none() {
            self.refuse(variable, text);
        }
        Some((parsed?, text.to_owned()))
    }

    fn note(&mut self, setting: &Variable, found: Option<(&Variable, &str)>) {
        let (value, source) = match found {
            Some((variable, text)) => (variable.shown(text), Source::Environment(variable.name())),
            None => (setting.default_text().into(), Source::Default),
        };
        self.configuration.set(setting.name(), value, source);
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("configuration", &self.configuration)
            .finish_non_exhaustive()
    }
}

type Lookup = Box<dyn Fn(&str) -> Option<OsString> + Send>;

/// Linux takes twice as much for one variable; nothing here has a use for it.
const MAX_VALUE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::parse;

    const COUNT: Variable = Variable::new("COUNT", "128", "a whole number");
    const SPAN_COUNT: Variable = Variable::new("SPAN_COUNT", "128", "a whole number of a span");
    const HEADERS: Variable = Variable::new("HEADERS", "", "key=value pairs").secret();

    fn setting(environment: &Environment, name: &str) -> (String, Source) {
        let setting = environment.configuration().get(name).unwrap();
        (setting.value.clone(), setting.source)
    }

    fn problems(environment: &Environment) -> Vec<String> {
        environment.configuration().problems().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn what_is_empty_or_blank_is_not_set() {
        for pairs in [&[][..], &[("COUNT", "")], &[("COUNT", " \t\r\n")], &[("count", "1")]] {
            let mut environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(environment.read(&COUNT, parse::count), None, "{pairs:?}");
            assert_eq!(setting(&environment, "COUNT"), ("128".to_owned(), Source::Default));
            assert_eq!(environment.configuration().problems(), []);
        }
    }

    #[test]
    fn a_value_that_is_none_is_a_problem_told_once_and_the_default_holds() {
        for (value, shown) in [
            ("many", "many"),
            ("-1", "-1"),
            ("99999999999999999999", "99999999999999999999"),
            (" 1 2 ", "1 2"),
        ] {
            let mut environment = Environment::from_pairs([("COUNT", value)]);
            assert_eq!(environment.read(&COUNT, parse::count), None);
            assert_eq!(environment.read(&COUNT, parse::count), None);
            assert_eq!(setting(&environment, "COUNT"), ("128".to_owned(), Source::Default));
            let expected = format!("COUNT is {shown:?}, allowed: a whole number");
            assert_eq!(problems(&environment), [expected]);
        }
    }

    #[test]
    fn a_setting_of_its_own_comes_before_the_general_one_which_stands_in_for_a_bad_one() {
        let both = [&SPAN_COUNT, &COUNT];
        let general = ("7".to_owned(), Source::Environment("COUNT"));
        for (pairs, expected, shown, n_problems) in [
            (
                &[("COUNT", "7"), ("SPAN_COUNT", "0")][..],
                Some(0),
                ("0".to_owned(), Source::Environment("SPAN_COUNT")),
                0,
            ),
            (&[("COUNT", "7")], Some(7), general.clone(), 0),
            (&[("COUNT", "7"), ("SPAN_COUNT", " ")], Some(7), general.clone(), 0),
            (&[("COUNT", "7"), ("SPAN_COUNT", "x")], Some(7), general, 1),
            (&[("COUNT", "y"), ("SPAN_COUNT", "x")], None, ("128".to_owned(), Source::Default), 2),
            (&[], None, ("128".to_owned(), Source::Default), 0),
        ] {
            let mut environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(environment.read_first(&both, parse::count), expected, "{pairs:?}");
            assert_eq!(setting(&environment, "SPAN_COUNT"), shown, "{pairs:?}");
            assert_eq!(environment.configuration().get("COUNT"), None);
            assert_eq!(problems(&environment).len(), n_problems, "{pairs:?}");
        }
        assert_eq!(Environment::from_pairs([]).read_first(&[], parse::count), None);
    }

    #[test]
    fn a_value_that_is_too_long_is_not_even_parsed() {
        let value = "1".repeat(1 << 20);
        let mut environment = Environment::from_pairs([("COUNT", value.as_str())]);
        assert_eq!(environment.read(&COUNT, |_| -> Option<()> { panic!("parsed") }), None);
        let expected = format!(
            "COUNT is {:?}, allowed: a whole number, in 65536 bytes at the most",
            "1".repeat(200)
        );
        assert_eq!(problems(&environment), [expected]);
        let longest = "0".repeat(64 << 10);
        let mut environment = Environment::from_pairs([("COUNT", longest.as_str())]);
        assert_eq!(environment.read(&COUNT, parse::count), Some(0));
        assert_eq!(setting(&environment, "COUNT").0.len(), 200);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_no_text_is_a_problem() {
        use std::os::unix::ffi::OsStringExt;

        let mut environment =
            Environment::from_lookup(|_| Some(OsString::from_vec(b"a\xFFb".to_vec())));
        assert_eq!(environment.read(&COUNT, parse::text), None);
        let expected = "COUNT is \"a\u{FFFD}b\", allowed: a whole number, in UTF-8";
        assert_eq!(problems(&environment), [expected]);
        // Cut in the middle of a character: what is too long is not looked at more closely.
        let mut environment = Environment::from_lookup(|_| {
            Some(OsString::from_vec("ä".repeat(1 << 19).into_bytes()))
        });
        assert_eq!(environment.read(&COUNT, parse::text), None);
    }

    #[test]
    fn a_secret_shows_nowhere() {
        for value in ["token=hunter2", "hunter2", "token=hunter2,%zz=hunter2"] {
            let mut environment = Environment::from_pairs([("HEADERS", value)]);
            environment.read(&HEADERS, parse::pairs);
            environment.refuse(&HEADERS, value);
            let shown = format!("{environment:?} {}", environment.configuration());
            assert!(shown.contains("*** (7 characters)"), "{shown}");
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
}
